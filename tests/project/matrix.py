"""Test the wheel on every Python that it is for, with the oldest and the newest dependencies that it allows.

    python tests/project/matrix.py                      every row; exit code 1 if one fails
    python tests/project/matrix.py --fast               without what takes long: the embedded model, faults, killed writers
    python tests/project/matrix.py --only 3.12-lowest   this row only; may be given more than once
    python tests/project/matrix.py --list               the rows

Wheel and sdist are built once. The tests run from the unpacked sdist, without its package, so what they test is the
wheel. `lowest` has the oldest allowed version of each dependency and extra, `httpx` the newest ones but openai 2.15 on
httpx 0.28, where the newest openai is on httpx2; `bare` has the wheel alone, where
`tests/project/bare.py` says what must hold, and `bare-lowest` the oldest core dependencies (an extra may want newer
ones). Environments and logs are kept in `.matrix/`. It needs Python 3.11, and uv from the dependency group `dev`.
"""

# ruff: noqa: S603, T201 - a script: it starts our own commands, and prints

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import tomllib

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".matrix"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
KINDS = ("newest", "lowest", "httpx", "bare", "bare-lowest")
HTTPX = ["openai==2.15.*", "httpx==0.28.*"]
"""The oldest official client, over the HTTP library that came before httpx2."""
NO_TEST_TOOLS = {"build", "coverage", "import-linter", "mypy", "pyright", "ruff", "uv"}
SLOW = ("tests/faults", "tests/memory/test_crashes.py", "tests/memory/test_concurrency.py")
FAST = ["-m", "not local_model", *(f"--ignore={path}" for path in SLOW)]
UV = [sys.executable, "-m", "uv"]


@dataclass
class Row:
    """One line of the table."""

    python: str
    kind: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    note: str = ""

    @property
    def name(self) -> str:
        return f"{self.python}-{self.kind}"

    @property
    def log(self) -> Path:
        return HOME / f"{self.name}.log"

    @property
    def is_good(self) -> bool:
        return self.passed > 0 and not self.failed and not self.note


class Failed(Exception):
    """A command failed; its output is in the row's log."""


def run(command: list, row: Row, *, cwd: Path = ROOT, check: bool = True) -> int:
    """Run a command with its output in the log; keep the environment clear of this one's settings."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    with row.log.open("a", encoding="utf-8") as log:
        print(f"$ {' '.join(map(str, command))}", file=log, flush=True)
        code = subprocess.run(command, cwd=cwd, env=clean, stdout=log, stderr=log, check=False).returncode
    if code and check:
        raise Failed(f"{Path(command[0]).name} {command[2 if command[:3] == UV else 1]} failed with {code}")
    return code


@cache
def python_of(version: str) -> Path | None:
    """Find an interpreter: on the PATH, or where pyenv keeps them."""
    kept = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    found = [shutil.which(f"python{version}"), *sorted(kept.glob(f"{version}.*/bin/python"), reverse=True)]
    for path in filter(None, found):
        said = subprocess.run(
            [path, "-c", "import sys; print(*sys.version_info[:2], sep='.')"], capture_output=True, check=False
        )
        if said.stdout.decode().strip() == version:
            return Path(path)
    return None


def build(folder: Path) -> tuple[Path, Path]:
    """Build sdist and wheel, and unpack the sdist without its package; give the wheel and that folder."""
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True, stdout=subprocess.DEVNULL)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = (folder / sdist.name.removesuffix(".tar.gz")).rename(folder / "source")
    shutil.rmtree(source / "declarai_like")
    return wheel, source


def requirements(names: list[str]) -> set[str]:
    """Give the names of the distributions that these requirements ask for."""
    return {re.match(r"[\w.-]+", name)[0].lower().replace("_", "-") for name in names}


def lowest(row: Row, interpreter: Path) -> list[str]:
    """Pin each of our own dependencies to the oldest version that all of them allow together."""
    extras = [] if row.kind == "bare-lowest" else ["--all-extras"]
    pins = HOME / f"{row.name}.txt"
    told = ["--resolution", "lowest-direct", "--no-annotate", "--no-header", "--python", interpreter, "-o", pins]
    run([*UV, "pip", "compile", "pyproject.toml", "--quiet", *extras, *told], row)
    project = PROJECT["project"]
    own = requirements([*project["dependencies"], *chain(*project["optional-dependencies"].values())])
    kept = [line for line in pins.read_text("utf-8").splitlines() if requirements([line]) & own]
    pins.write_text("\n".join(kept), "utf-8")
    return ["-c", str(pins)]


def install(row: Row, wheel: Path) -> Path:
    """Make the row's environment, or bring it up to date; give its Python."""
    environment, bare = HOME / row.name, row.kind.startswith("bare")
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    interpreter = python_of(row.python)
    if bare or not python.exists():  # an environment that is bare is made anew: nothing may be left in it
        shutil.rmtree(environment, ignore_errors=True)
        run([interpreter, "-m", "venv", environment], row)
    pins = lowest(row, interpreter) if row.kind.endswith("lowest") else HTTPX if row.kind == "httpx" else []
    if bare:
        run([python, "-m", "pip", "install", "--quiet", "--force-reinstall", *pins, wheel], row)
    else:
        groups = PROJECT["dependency-groups"]
        tools = [tool for tool in [*groups["dev"], *groups["docs"]] if isinstance(tool, str)]
        tools = [tool for tool in tools if not requirements([tool]) & NO_TEST_TOOLS]
        fresh = ["--upgrade", "--reinstall-package", "declarai-like"]
        run(
            [
                *UV,
                "pip",
                "install",
                "--python",
                python,
                *fresh,
                *pins,
                f"declarai-like[all] @ {wheel.as_uri()}",
                *tools,
            ],
            row,
        )
    if row.kind == "httpx":  # others bring httpx2, and where it is we use it
        run([*UV, "pip", "uninstall", "--python", python, "httpx2"], row)
    return python


def check(row: Row, wheel: Path, source: Path, options: list[str]) -> None:
    """Fill in a row."""
    start = time.monotonic()
    row.log.unlink(missing_ok=True)
    try:
        python = install(row, wheel)
        if row.kind.startswith("bare"):
            with TemporaryDirectory() as empty:
                code = run(
                    [python, "-I", source / "tests/project/bare.py", source / "README.md"],
                    row,
                    cwd=Path(empty),
                    check=False,
                )
        else:
            code = run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options], row, cwd=source, check=False)
        last = row.log.read_text("utf-8").rstrip().rpartition("\n")[2]
        counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", last)}
        row.passed, row.skipped = counts.get("passed", 0), counts.get("skipped", 0)
        row.failed = counts.get("failed", 0) + counts.get("error", 0)
        row.note = "" if row.failed or not code else f"exit code {code}"
    except Failed as failure:
        row.note = str(failure)
    row.seconds = time.monotonic() - start


def table(rows: list[Row]) -> str:
    """Lay the rows out."""
    lines = [f"{'python':<8}{'dependencies':<14}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}"]
    for row in rows:
        counts = f"{row.passed:>8}{row.failed:>8}{row.skipped:>9}{row.seconds:>9.0f}"
        note = "" if row.is_good else f"  {row.note}: {row.log.relative_to(ROOT)}".replace("  :", "  see")
        lines.append(f"{row.python:<8}{row.kind:<14}{counts}{note}")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [f"{python}-{kind}" for python in PYTHONS for kind in KINDS]
    parser.add_argument("--only", action="append", choices=names, metavar="ROW", help="a row, as in 3.12-lowest")
    parser.add_argument("--fast", action="store_true", help="leave out what takes long")
    parser.add_argument("--list", action="store_true", help="print the rows")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    return parser.parse_args()


def main() -> int:
    told = arguments()
    rows = [Row(python, kind) for python in PYTHONS for kind in KINDS]
    rows = (
        [row for row in rows if row.name in told.only] if told.only else [row for row in rows if python_of(row.python)]
    )
    missing = sorted({row.python for row in rows if not python_of(row.python)})
    if missing:
        sys.exit(f"Python {', '.join(missing)} is neither on the PATH nor in pyenv's folder")
    if told.list:
        print(*(row.name for row in rows), sep="\n")
        return 0
    HOME.mkdir(exist_ok=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and tests send it
    with TemporaryDirectory() as folder:
        wheel, source = build(Path(folder))
        for row in rows:
            print(f"{row.name} ...", file=sys.stderr, flush=True)
            check(row, wheel, source, [*(FAST if told.fast else []), *told.pytest])
    print(table(rows))
    return 0 if all(row.is_good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
