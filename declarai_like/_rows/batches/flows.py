"""A map that a provider makes in its own time: submitted, waited for, joined by key; all of it is in the checkpoint."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from declarai_like._rows.batches.services import Line, service_of
from declarai_like._rows.checkpoints import Checkpoint
from declarai_like._rows.inputs import Inputs
from declarai_like._rows.jobs import failed_row
from declarai_like._rows.rows import Row
from declarai_like._wire.accumulator import DONE
from declarai_like.errors import DefinitionError, ProviderConnectionError, ProviderError, ProviderTimeout

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from declarai_like._calls.flow import Call
    from declarai_like._rows.batches.services import Answered, Flow, Service, Status
    from declarai_like._rows.inputs import Arguments, KeyOption
    from declarai_like._rows.protocols import RowTask
    from declarai_like.requests import Request

__all__ = ["BatchProgress", "Batches", "Pause"]

T = TypeVar("T")
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a job is: `done` of `total` requests of its batches, and whether all of them are over."""

    done: int
    total: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """So many seconds are to pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class _Asked(Generic[T]):
    """A row that may be sent: its key, arguments and request."""

    key: str
    arguments: Arguments
    request: Request


class Batches(Generic[T]):
    """What a job does, as generators of `Exchange` and `Pause`, which a blocking and an awaiting job perform.

    The checkpoint is open only while something is written to it, so that any process may go on.
    """

    def __init__(
        self, task: RowTask[T], rows: Iterable[Any], path: Any, key: KeyOption, expires_after: int | None = None
    ) -> None:
        self._task = task
        self._path = path
        self._asked: dict[str, _Asked[T]] = {}
        self.order: list[Row[T] | str] = []
        """What stands at each place of the input: the key of a row, or a row that cannot be asked."""
        inputs = Inputs(task, key)
        for index, raw in enumerate(rows):
            self.order.append(self._read(inputs, index, raw))
        if not self._asked:
            raise DefinitionError("batch: expected at least one row that can be asked, got none")
        self.request = next(iter(self._asked.values())).request
        self._service: Service = service_of(self.request, expires_after)
        self._keys = {_custom_id(key): key for key in self._asked}

    def submit(self) -> Flow:
        """Send what is neither finished nor under way."""
        with self._open() as store:
            live = yield from self._settle_intents(store)
            waiting = {key for batch in live for key in batch["keys"]}
            missing = [
                asked
                for key, asked in self._asked.items()
                if key not in waiting and ((row := store.find(key, 0)) is None or row.error is not None)
            ]
            for part in self._parts(missing):
                yield from self._send(store, part)

    def poll(self) -> Generator[Any, bytes, BatchProgress]:
        """Ask how far the batches are, and take in what those have brought that are over."""
        done = total = 0
        is_over = True
        with self._open() as store:
            live = [batch for batch in store.batches.values() if batch["state"] == "created"]
        for batch in live:
            status: Status = yield from self._service.status(batch["id"])
            done, total, is_over = done + status.done, total + status.total, is_over and status.is_over
            if status.is_over:
                answered = yield from self._service.results(status)
                with self._open() as store:
                    self._take_in(store, batch, answered, status)
        return BatchProgress(done, total, is_over)

    def wait(self, timeout: float | None) -> Generator[Any, bytes, BatchProgress]:
        """Ask again and again, until all batches are over."""
        pause, began = _FIRST_PAUSE, time.monotonic()
        while True:
            progress = yield from self.poll()
            if progress.is_over:
                return progress
            if timeout is not None and time.monotonic() + pause - began > timeout:
                raise ProviderTimeout(
                    f"the batches are not over within {timeout} s ({progress.done} of {progress.total} rows are done): "
                    "wait() again, in this process or in another one"
                )
            yield Pause(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def cancel(self) -> Flow:
        """Ask for the end of all batches; what they have brought is taken in by `poll`."""
        with self._open() as store:
            live = [batch for batch in store.batches.values() if batch["state"] == "created"]
        for batch in live:
            yield from self._service.cancel(batch["id"])

    def rows(self) -> Iterator[Row[T]]:
        """Give what became of each row, in the order of the input."""
        with self._open() as store:
            for index, told in enumerate(self.order):
                yield self._row_at(store, index, told)

    def _row_at(self, store: Checkpoint[T], index: int, told: Row[T] | str) -> Row[T]:
        if isinstance(told, Row):
            return told
        row = store.find(told, index)
        if row is not None:
            return replace(row, cached=False)
        return failed_row(index, told, ProviderError("the row has no answer yet: submit() and wait()", retryable=True))

    def _read(self, inputs: Inputs, index: int, raw: Any) -> Row[T] | str:
        try:
            arguments = inputs.arguments(raw)
            key = inputs.key(raw, arguments)
            if key not in self._asked:
                call = self._task.prepare(*arguments)
                _require_one_request(call)
                self._asked[key] = _Asked(key, arguments, call.request)
        except DefinitionError:
            raise
        except Exception as error:  # an argument's own class may do anything
            return failed_row(index, "", error)
        return key

    @contextmanager
    def _open(self) -> Iterator[Checkpoint[T]]:
        store = Checkpoint(self._task, self._path, retry_failed=False)
        try:
            yield store
        finally:
            store.close()

    def _settle_intents(self, store: Checkpoint[T]) -> Generator[Any, bytes, list[dict[str, Any]]]:
        """Find the batches whose ids were never heard; give all that are under way."""
        for batch in [batch for batch in store.batches.values() if batch["state"] == "intent"]:
            yield from self._find(store, batch)
        return [batch for batch in store.batches.values() if batch["state"] == "created"]

    def _find(self, store: Checkpoint[T], batch: dict[str, Any]) -> Generator[Any, bytes, bool]:
        known = [other["id"] for other in store.batches.values() if other.get("id")]
        found = yield from self._service.find(batch["run"], batch["at"], len(batch["keys"]), known)
        store.keep_batch({**batch, "state": "lost"} if found is None else {**batch, "state": "created", "id": found})
        return found is not None

    def _send(self, store: Checkpoint[T], part: list[tuple[str, bytes]]) -> Generator[Any, bytes, None]:
        keys = [key for key, _ in part]
        at = time.time()
        run = sha256(json.dumps([sorted(keys), at]).encode()).hexdigest()[:32]
        batch = {"run": run, "state": "intent", "at": at - 60, "keys": keys}  # clocks differ
        store.keep_batch(batch)
        try:
            batch_id = yield from self._service.create([line for _, line in part], run)
        except (ProviderConnectionError, ProviderTimeout):  # it may have begun all the same
            if (yield from self._find(store, batch)):
                return
            raise
        except ProviderError:
            store.keep_batch({**batch, "state": "lost"})
            raise
        store.keep_batch({**batch, "state": "created", "id": batch_id})

    def _parts(self, asked: list[_Asked[T]]) -> Iterator[list[tuple[str, bytes]]]:
        """Spell the requests, in parts that the provider takes."""
        part: list[tuple[str, bytes]] = []
        size = 0
        for each in asked:
            body: Any = each.request.provider.encode(each.request)  # type: ignore[union-attr]  # `service_of` has looked
            line = self._service.spell(Line(_custom_id(each.key), body), each.request)
            if part and (len(part) == self._service.most_lines or size + len(line) + 1 > self._service.most_bytes):
                yield part
                part, size = [], 0
            part.append((each.key, line))
            size += len(line) + 1
        if part:
            yield part

    def _take_in(self, store: Checkpoint[T], batch: dict[str, Any], answered: list[Answered], status: Status) -> None:
        """Keep the rows of a batch that is over, by their keys; those that it does not tell are not answered."""
        missing = dict.fromkeys(batch["keys"])
        for each in answered:
            key = self._keys.get(each.custom_id)
            if key in missing and key is not None:
                del missing[key]
                self._keep(store, self._row(key, each))
        told = str(status.data.get("status") or status.data.get("processing_status"))
        for key in missing:
            self._keep(store, failed_row(0, key, _unanswered(f"batch_{told}")))
        store.keep_batch({**batch, "state": "over", "keys": []})

    @staticmethod
    def _keep(store: Checkpoint[T], row: Row[T]) -> None:
        known = store.find(row.key, 0)
        if known is None or known.error is not None:
            store.keep(row)

    def _row(self, key: str, answered: Answered) -> Row[T]:
        """Read an answer as that of a call."""
        if answered.failure:
            return failed_row(0, key, _unanswered(answered.failure))
        asked = self._asked[key]
        call = self._task.prepare(*asked.arguments)
        provider: Any = asked.request.provider
        try:
            reader = call.begin(call.request)
            reader.feed(provider.read_result(call.request, answered.status, answered.body))
            reader.feed(DONE)
            response = reader.finish()
            value = call.value(response)
        except Exception as error:
            row = failed_row(0, key, error)
            return row if call.response is None else replace(row, response=call.response, usage=call.response.usage)
        return Row(0, key, value=value, response=response, usage=response.usage)


def _unanswered(code: str) -> ProviderError:
    return ProviderError(f"the row was not answered: {code}", code=code, retryable=True)


def _require_one_request(call: Call[Any]) -> None:
    if call.rounds is not None:
        raise DefinitionError("batch: a task with tools asks more than once: use map")


def _custom_id(key: str) -> str:
    """Give the name of a row in a batch: its key, or a digest of one that providers do not take."""
    return key if _CUSTOM_ID.match(key) else sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
