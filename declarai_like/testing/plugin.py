"""The pytest plugin: fixtures for tests of what asks a model. Loaded at each start of pytest, so it imports nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

try:
    import pytest
except ImportError as exc:
    from declarai_like.errors import MissingExtra

    raise MissingExtra(f'the plugin needs pytest ({exc}): pip install "declarai-like[testing]"').with_cause(
        exc
    ) from None

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from declarai_like.testing import Cassette, FakeLLM, LLMServer

_PASSED = pytest.StashKey[bool]()
_NOT_IN_A_FILE_NAME = re.compile(r"[^\w.=\[\]-]+")
_LONGEST_NAME = 120


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--llm-record`."""
    parser.getgroup("declarai-like").addoption(
        "--llm-record",
        metavar="MODE",
        choices=("once", "none", "new", "all"),
        help="when to ask the model instead of a cassette: once (if there is none yet), none (never), "
        "new (for what is not in it), all (always); goes before what tests say",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    config.addinivalue_line(
        "markers",
        "llm_cassette(mode='once', timing=False): answer the test's calls from a file beside it, recorded at first",
    )
    config.addinivalue_line(
        "markers",
        "llm_eval(runs=5, at_least=0.8): run the test so often; fail if, with 95 % confidence, too few are good",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the tests that are marked so run several times."""
    for item in items:
        mark = item.get_closest_marker("llm_eval")
        if mark is not None and isinstance(item, pytest.Function):
            from declarai_like.testing._repeats import repeated

            options: dict[str, Any] = {"runs": 5, "at_least": 0.8, **mark.kwargs}
            item.obj = repeated(item.obj, **options)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],  # noqa: ARG001 - the hook's own arguments
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether the test has passed: one that failed is not blamed for what it left undone."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report


@pytest.fixture
def llm_server() -> Iterator[LLMServer]:
    """Give a real HTTP server that answers any OpenAI client by script."""
    from declarai_like.testing import LLMServer

    with LLMServer() as server:
        yield server


@pytest.fixture
def fake_llm(request: pytest.FixtureRequest) -> Iterator[FakeLLM]:
    """Give a scripted model that answers in the place of every provider; the script must be used up."""
    from declarai_like.testing import FakeLLM

    llm = FakeLLM()
    with llm.standing_in():
        yield llm
    if _passed(request):
        llm.assert_done()


@pytest.fixture
def llm_cassette(request: pytest.FixtureRequest) -> Iterator[Cassette]:
    """Answer the test's calls from its recording; written when the test has passed."""
    from declarai_like.providers._stand_ins import standing_in
    from declarai_like.testing import Cassette

    mark = request.node.get_closest_marker("llm_cassette")
    options: dict[str, Any] = {} if mark is None else {**dict(zip(("mode",), mark.args, strict=False)), **mark.kwargs}
    mode = request.config.getoption("--llm-record")
    cassette = Cassette(_path_of(request.node), **{**options, **({"mode": mode} if mode else {})})
    with standing_in(cassette.around):
        yield cassette
    if _passed(request):
        cassette.assert_done()
        cassette.save()


@pytest.fixture(autouse=True)
def _marked_llm_cassette(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("llm_cassette"):
        request.getfixturevalue("llm_cassette")


def _passed(request: pytest.FixtureRequest) -> bool:
    passed: bool = request.node.stash.get(_PASSED, False)
    return passed


def _path_of(item: pytest.Item) -> Path:
    """Name the file of a test's recording; names that were changed to fit are told apart by a digest."""
    _, _, within = item.nodeid.partition("::")
    name = within.replace("::", ".")
    fitting = _NOT_IN_A_FILE_NAME.sub("_", name)[:_LONGEST_NAME]
    if fitting != name:
        from hashlib import sha256

        fitting = f"{fitting}-{sha256(name.encode()).hexdigest()[:8]}"
    return item.path.parent / "cassettes" / item.path.stem / f"{fitting}.json"
