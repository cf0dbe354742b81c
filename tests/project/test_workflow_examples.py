"""Our tasks in the programs of others: a workflow engine, a receiver of traces (`make engines`)."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from declarai_like.testing import LLMServer

EXAMPLES = Path(__file__).parents[2] / "examples" / "workflows"
pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]


def run(name, folder, server, **told):
    clean = {key: value for key, value in os.environ.items() if "OPENAI" not in key and "DECLARAI" not in key}
    env = {**clean, "OPENAI_API_KEY": "any", "OPENAI_BASE_URL": server.base_url, **told}
    command = [sys.executable, str(EXAMPLES / name)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=200, check=False)  # noqa: S603 - our own


def test_a_workflow_of_dbos_goes_on_after_a_crash(tmp_path):
    if importlib.util.find_spec("dbos") is None:
        pytest.skip("dbos is not installed")

    def answer(request):
        return "A summary" if "one sentence" in request.raw.decode() else "A title"

    with LLMServer(default=answer) as server:
        assert run("dbos_steps.py", tmp_path, server, CRASH="1").returncode == 9
        again = run("dbos_steps.py", tmp_path, server)
        assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "A title"), again.stderr
        assert len(server.requests) == 2
