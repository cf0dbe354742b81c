"""The examples for engines, each run as its reader would; Dask also with a worker that dies."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from declarai_like.testing import LLMServer

EXAMPLES = Path(__file__).parents[2] / "examples" / "engines"
FOLDER = Path(__file__).parent
PRINTED = {
    "pandas_frame": ("pandas", ["0   1         4  <NA>", "1   2         4  <NA>"]),
    "polars_frame": ("polars", ["[4, 4]", "[4, 4]"]),
    "daft_frame": ("daft", ["[4, 4]"]),
    "dask_frame": ("distributed", ["[4, 4, 4, 4, 4, 4, 4, 4]", "[4, 4, 4, 4, 4, 4, 4, 4]"]),
    "ray_data": ("ray", ["[4, 4]"]),
    "spark_frame": ("pyspark", ["[4, 4]"]),
}
LARGE = {"ray_data", "spark_frame"}
UNTIL_ITS_LAST_LINE = """
import os, runpy, sys
runpy.run_path(sys.argv[1], run_name="__main__")
sys.stdout.flush()
os._exit(0)
"""
# Threads of Daft 0.7 outlive Python and crash its end now and then, with no line of ours in the program.
CRASHES_AT_EXIT = {"daft_frame"}


def run(code, folder, server, **told):
    clean = {name: value for name, value in os.environ.items() if "OPENAI" not in name and "DECLARAI" not in name}
    env = {**clean, "OPENAI_API_KEY": "any", "OPENAI_BASE_URL": server.base_url, **told}
    command = [sys.executable, *code]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=110, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.engines] if name in LARGE else []) for name in PRINTED]
)
def test_the_example_of_an_engine_prints_what_it_says(tmp_path, name):
    library, lines = PRINTED[name]
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    with LLMServer(default=lambda request: "4") as server:
        begun = ["-c", UNTIL_ITS_LAST_LINE] if name in CRASHES_AT_EXIT else []
        printed = run([*begun, EXAMPLES / f"{name}.py"], tmp_path, server).splitlines()
    assert printed[-len(lines) :] == lines


@pytest.mark.parametrize("name", PRINTED)
def test_the_example_of_an_engine_is_short(name):
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) < 40


DYING = """
import sys
from distributed import Client
from sizes import size

if __name__ == "__main__":
    with Client(n_workers=2, threads_per_worker=2, dashboard_address=None) as client:
        words = ["victim", *(str(number) for number in range(100, 180))]
        rows = list(size.map(words, executor=client.get_executor(), checkpoint="sizes.jsonl", key=str))
        print(len(rows), sum(row.value or 0 for row in rows), sum(row.cached for row in rows))
"""


@pytest.mark.timeout(240)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_no_row_is_lost_when_a_worker_of_dask_dies(tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "victim").touch()
    (tmp_path / "dying.py").write_text(DYING)
    path = os.pathsep.join([str(FOLDER), os.environ.get("PYTHONPATH", "")])
    with LLMServer(default=lambda request: "6") as server:
        told = {
            "PYTHONPATH": path,
            "DECLARAI_TEST_URL": server.base_url,
            "DECLARAI_TEST_VICTIM": str(tmp_path / "victim"),
        }
        assert run(["dying.py"], tmp_path, server, **told).split() == ["81", str(81 * 6), "0"]
        assert not (tmp_path / "victim").exists()
        sent = len(server.requests)
        assert sent <= 81 + 20 * 8
        assert run(["dying.py"], tmp_path, server, **told).split() == ["81", str(81 * 6), "81"]
        assert len(server.requests) == sent
