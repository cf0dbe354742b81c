"""What is in the wheel and the sdist. `tests/project/matrix.py` installs them and runs everything against them."""

import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from email.policy import default
from pathlib import Path

import pytest

import declarai_like as declarai

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "declarai_like"
VERSION = declarai.__version__
EXTRAS = {"media", "mcp", "local", "redis", "postgresql", "mongodb", "serve", "otel", "prices", "cli", "testing", "all"}

pytestmark = pytest.mark.skipif(not PACKAGE.is_dir(), reason="there is no source to build: the wheel is what is tested")


def built(kind, source, folder):
    """Build by the standard's hook in a process of its own, without an environment to be downloaded."""
    hook = f"from hatchling.build import build_{kind}; print(build_{kind}({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", hook], cwd=source, capture_output=True, text=True, check=False)  # noqa: S603 - our own code
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    pytest.importorskip("hatchling")
    return built("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def source(sdist, tmp_path_factory):
    """The unpacked sdist."""
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    """The wheel, built from the sdist as `python -m build` and `pip install` of an sdist do."""
    with zipfile.ZipFile(built("wheel", source, tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    return message_from_string(wheel.read(f"declarai_like-{VERSION}.dist-info/METADATA").decode(), policy=default)


def test_wheel_has_every_file_of_the_package_and_no_other(wheel):
    files = {path.relative_to(ROOT) for path in PACKAGE.rglob("*") if path.is_file()}
    theirs = {str(path) for path in files if not any(part[0] == "." or part == "__pycache__" for part in path.parts)}
    ours = {name for name in wheel.namelist() if not name.startswith(f"declarai_like-{VERSION}.dist-info/")}
    assert ours == theirs


@pytest.mark.parametrize("name", ["py.typed", "_prompting/templates/*.j2", "serve/static/*.html"])
def test_wheel_has_what_is_no_module(wheel, name):
    assert [found for found in wheel.namelist() if Path(found).match(f"declarai_like/{name}")]


def test_wheel_is_for_every_platform_and_has_the_licence(wheel):
    assert wheel.filename.endswith("-py3-none-any.whl")
    assert f"declarai_like-{VERSION}.dist-info/licenses/LICENSE" in wheel.namelist()


def test_wheel_brings_the_command_and_the_plugin(wheel):
    said = wheel.read(f"declarai_like-{VERSION}.dist-info/entry_points.txt").decode().split()
    assert said == [
        "[console_scripts]", "declarai-like", "=", "declarai_like._cli:main",
        "[pytest11]", "declarai_like", "=", "declarai_like.testing.plugin",
    ]  # fmt: skip


def test_metadata_tells_extras_and_pythons(metadata):
    assert (metadata["Version"], metadata["Requires-Python"]) == (VERSION, ">=3.10")
    assert set(metadata.get_all("Provides-Extra")) == EXTRAS
    assert [each for each in EXTRAS if not _of(metadata, each)] == []


def test_extra_all_is_all_the_others(metadata):
    wanted = {each for extra in EXTRAS - {"all"} for each in _of(metadata, extra)}
    assert set(_of(metadata, "all")) == wanted


def test_core_needs_five_packages(metadata):
    core = [each for each in metadata.get_all("Requires-Dist") if "extra ==" not in each]
    assert sorted(re.match(r"[\w-]+", each)[0] for each in core) == [
        "docstring-parser",
        "jinja2",
        "jiter",
        "openai",
        "pydantic",
    ]


def test_readme_is_the_description(metadata):
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().startswith("# declarai-like")


def test_sdist_has_what_its_tests_need_and_nothing_that_was_made(source):
    assert {"tests", "docs", "examples", "benchmarks", "pyproject.toml", "README.md", "LICENSE"} <= {
        path.name for path in source.iterdir()
    }
    assert [
        path for path in source.rglob("*") if path.name in {"__pycache__", "node_modules", ".venv", ".matrix"}
    ] == []


def _of(metadata, extra):
    """The requirements of an extra, without the condition that names it."""
    told = (each.rpartition(";") for each in metadata.get_all("Requires-Dist") if f"extra == '{extra}'" in each)
    return [name.strip() for name, _, _ in told]
