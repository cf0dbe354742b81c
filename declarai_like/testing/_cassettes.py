"""Record and replay: calls are kept in a file, and answered from it afterwards."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, aclosing, closing
from difflib import SequenceMatcher, unified_diff
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from declarai_like._declarai import Declarai
from declarai_like.errors import DefinitionError, ProviderError
from declarai_like.providers._stand_ins import standing_in
from declarai_like.testing._recordings import LEFT, Recording, load, save, to_storable
from declarai_like.testing._transcripts import format_request, transcript

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterator
    from pathlib import Path

    from typing_extensions import Self

    from declarai_like.providers.base import Provider
    from declarai_like.requests import Request

__all__ = ["Cassette", "RecordMode"]

T = TypeVar("T")

RecordMode = Literal["once", "none", "new", "all"]
"""When to ask the model: `once` if there is no file yet, `none` never, `new` for what is not in it, `all` always."""


class Cassette:
    """Answers calls from a file, or asks the model and keeps in the file what came.

    As a context manager it stands in for every provider of the process, so that tasks need not know of it; at the end
    it writes the file, unless an error passes through. `use` wraps one model only; call `save` then.
    A request is played by the first recording of an equal one, each recording once; the order does not matter.
    `timing=True` takes the time that the model took.
    """

    def __init__(self, path: Path, *, mode: RecordMode = "once", timing: bool = False) -> None:
        if mode not in get_args(RecordMode):
            raise DefinitionError(f"expected one of {', '.join(get_args(RecordMode))} as mode, got {mode!r}")
        self.path = path
        self.mode = mode
        self.timing = timing
        self._stored = load(path)
        self._records = mode == "all" or (mode == "once" and not path.exists())
        self._unplayed = [] if self._records else list(self._stored)
        self._used: list[Recording] = []
        self._strays: list[str] = []
        self._lock = threading.RLock()  # re-entrant: the garbage collector may close a call in here
        self._active = ExitStack()

    def use(self, llm: Declarai) -> Declarai:
        """Give a model that answers from this cassette, with the options of `llm`."""
        recorded: Declarai = Declarai.of(self.around(llm.llm), llm.options)
        return recorded

    def around(self, provider: Provider) -> Provider:
        """Put this cassette between a provider and those who ask it."""
        return provider if isinstance(provider, CassetteProvider) else CassetteProvider(provider, self)

    def save(self) -> None:
        """Write the file if it is not what was played and recorded, in the order of the calls.

        In the modes `once` and `none` a file that is there stays as it is.
        """
        with self._lock:
            recordings = [recording for recording in self._used if recording.rows]
        if (self._records or self.mode == "new") and recordings != self._stored:
            save(self.path, recordings)

    def assert_done(self) -> None:
        """Raise `AssertionError` if a request had no recording, or a recording was not asked for.

        The latter is no error in the mode `new`: `save` takes such a recording out of the file.
        """
        if self._strays:
            raise AssertionError(self._strays[0])
        if self._unplayed and self.mode != "new":
            left = "\n".join(f"    {line}".rstrip() for line in self._unplayed[0].request)
            raise AssertionError(
                f"{len(self._unplayed)} recording(s) of {self.path} were not asked for, the first is:\n{left}\n"
                "record anew with --llm-record=all if that is meant"
            )

    def find(self, provider: Provider, request: Request) -> tuple[Recording, bool]:
        """Find the recording of a request, or begin one; the second is whether it is to be played.

        Raises `AssertionError`, with what is different, if the request is not recorded and must be.
        """
        lines = transcript(request)
        with self._lock:
            for recording in self._unplayed:
                if recording.request == lines:
                    self._unplayed.remove(recording)
                    self._used.append(recording)
                    return recording, True
            if self._records or self.mode == "new":
                recording = Recording(request.name, provider.name, lines)
                self._used.append(recording)
                return recording, False
            stray = _describe_unrecorded(self.path, request, lines, self._unplayed)
            self._strays.append(stray)
        raise AssertionError(stray)

    def is_tried_again(self, recording: Recording) -> bool:
        """Say whether the same request was made once more after this one."""
        with self._lock:
            return any(later.request == recording.request for later in self._unplayed)

    def __enter__(self) -> Self:
        self._active.enter_context(standing_in(self.around))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._active.close()
        if kind is None:
            self.assert_done()
            self.save()


class CassetteProvider:
    """A provider as a cassette plays or records it."""

    def __init__(self, provider: Provider, cassette: Cassette) -> None:
        self.name = provider.name
        self.model = provider.model
        self.streaming = provider.streaming
        self._provider = provider
        self._cassette = cassette

    @property
    def origin(self) -> Any:
        """Who is asked, as the `state` of a reply names it."""
        return getattr(self._provider, "origin", None)

    @property
    def schema_dialect(self) -> Any:
        """What the provider understands of a schema."""
        return getattr(self._provider, "schema_dialect", "common")

    def encode(self, request: Request) -> dict[str, Any]:
        """Give the body that the provider would send."""
        return self._provider.encode(request)

    def adapts(self, error: ProviderError, request: Request) -> bool:
        """Let the provider learn, as it did when this was recorded."""
        return self._provider.adapts(error, request)

    def send(self, request: Request) -> dict[str, Any]:
        """Give the recorded answer, or ask and record."""
        recording, plays = self._cassette.find(self._provider, request)
        if plays:
            with closing(self._play(recording)) as rows:
                return next(rows)
        with _Recorder(recording) as recorder:
            return recorder.add(self._provider.send(request))

    def stream(self, request: Request) -> Generator[dict[str, Any], None, None]:
        """Give the recorded chunks, or ask and record."""
        recording, plays = self._cassette.find(self._provider, request)
        if plays:
            yield from self._play(recording)
            return
        with _Recorder(recording) as recorder, closing(self._provider.stream(request)) as chunks:
            for chunk in chunks:
                yield recorder.add(chunk)

    async def asend(self, request: Request) -> dict[str, Any]:
        """Do what `send` does, in an event loop."""
        recording, plays = self._cassette.find(self._provider, request)
        if plays:
            async with aclosing(self._aplay(recording)) as rows:
                return await anext(rows)
        with _Recorder(recording) as recorder:
            return recorder.add(await self._provider.asend(request))

    async def astream(self, request: Request) -> AsyncGenerator[dict[str, Any], None]:
        """Do what `stream` does, in an event loop."""
        recording, plays = self._cassette.find(self._provider, request)
        if plays:
            async with aclosing(self._aplay(recording)) as rows:
                async for row in rows:
                    yield row
            return
        with _Recorder(recording) as recorder:
            async with aclosing(self._provider.astream(request)) as chunks:
                async for chunk in chunks:
                    yield recorder.add(chunk)

    def _play(self, recording: Recording) -> Generator[dict[str, Any], None, None]:
        for seconds, chunk in self._rows(recording):
            time.sleep(seconds)
            yield _raise_or_give(chunk)

    async def _aplay(self, recording: Recording) -> AsyncGenerator[dict[str, Any], None]:
        from asyncio import sleep

        for seconds, chunk in self._rows(recording):
            await sleep(seconds)
            yield _raise_or_give(chunk)

    def _rows(self, recording: Recording) -> Iterator[tuple[float, Any]]:
        """Give what came, with the seconds to wait before it."""
        timing = self._cassette.timing
        for seconds, chunk in recording.rows:
            if isinstance(chunk, ProviderError) and not timing and self._cassette.is_tried_again(recording):
                chunk.retry_after = 0.0  # nobody waits for a recorded answer
            yield seconds if timing else 0.0, chunk

    def __repr__(self) -> str:
        return f"{self._provider!r} on {self._cassette.path.name}"


class _Recorder:
    """Takes down what comes of one call. A call that ends in no answer and no error of the provider's is dropped."""

    def __init__(self, recording: Recording) -> None:
        self._rows = recording.rows
        self._last = time.monotonic()

    def add(self, chunk: T) -> T:
        """Take down a chunk with its time, and give it back."""
        now = time.monotonic()
        self._rows.append((round(now - self._last, 4), to_storable(chunk)))
        self._last = now
        return chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, ProviderError):
            self.add(error)
        elif error is not None and self._rows:
            self.add(LEFT)


def _raise_or_give(chunk: Any) -> dict[str, Any]:
    """Give a chunk, or raise what was raised in its place."""
    if isinstance(chunk, ProviderError):
        raise chunk
    if chunk == LEFT:
        raise AssertionError(
            "the recording ends here: its reader left the stream, and this one reads on; "
            "record anew with --llm-record=all"
        )
    return chunk  # type: ignore[no-any-return]  # what is left is a chunk


def _describe_unrecorded(path: Path, request: Request, lines: list[str], unplayed: list[Recording]) -> str:
    """Tell that a request has no recording, and what makes it different from the one that is most like it."""
    again = "record it with --llm-record=new, or all of the test's calls with --llm-record=all"
    if not unplayed:
        return f"no recording is left in {path} for this request; {again}\n{format_request(request)}"
    nearest = max(unplayed, key=lambda each: (each.task == request.name, _likeness(each.request, lines)))
    diff = "\n".join(unified_diff(nearest.request, lines, "recorded", "asked now", lineterm="", n=5))
    return f"the request of {request.name or 'this call'} is not the one recorded in {path}; {again}\n{diff}"


def _likeness(one: list[str], other: list[str]) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
