"""The virtual environments of the clients: one each, with the newest versions that pip finds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".bench"
SHOWN = ("openai", "httpx2", "httpx", "pydantic", "jiter")

# Telemetry and downloads of price lists are no part of what is measured.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_CORE", "OPENAI_"))},
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LANGSMITH_TRACING": "false",
    "DO_NOT_TRACK": "1",
}

ASK = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def cache() -> Path:
    """Make the folder of the environments; it keeps itself out of the repository."""
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n", "utf-8")
    return CACHE


def python_of(environment: str) -> Path:
    return CACHE / environment / ("Scripts" if os.name == "nt" else "bin") / "python"


def install(environment: str, requirements: Iterable[str]) -> None:
    """Make the environment if it is not there, and bring it to the newest versions."""
    python = python_of(environment)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(CACHE / environment)], check=True)
    wanted = [str(ROOT) if requirement == "." else requirement for requirement in requirements]
    pip = [str(python), "-m", "pip", "install", "--quiet", "--upgrade", "--upgrade-strategy", "eager"]
    subprocess.run([*pip, *wanted], check=True, env=ENVIRONMENT, cwd=CACHE, stderr=subprocess.DEVNULL)


def versions(python: Path, package: str) -> dict[str, str]:
    """Give the versions of the client and of what it stands on, as the environment has them."""
    command = [str(python), "-c", ASK, package, *SHOWN]
    done = subprocess.run(command, check=True, env=ENVIRONMENT, cwd=ROOT / "benchmarks", capture_output=True, text=True)
    return json.loads(done.stdout)
