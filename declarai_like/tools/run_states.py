"""A call with tools as it stands between two requests: what is needed to go on with it, in another process too."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from declarai_like.completions import Question, ToolRequest, ToolRun, Usage
from declarai_like.errors import RunDiverged
from declarai_like.media._parts import media_of, restore_media
from declarai_like.messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from declarai_like.requests import Request
    from declarai_like.tools.results import WrittenResult

__all__ = ["PendingCall", "RunState", "fingerprint_of", "hash_arguments"]

VERSION = 1

Stage = Literal["ready", "waiting", "started", "done"]


@dataclass(slots=True)
class PendingCall:
    """One call of the answer that is being worked on.

    `ready` may be run, `waiting` needs a decision, `started` was claimed, `done` has its `text` for the model.
    """

    id: str
    name: str
    arguments: Any = None
    stage: Stage = "ready"
    text: str = ""
    value: Any = None
    error: str | None = None
    seconds: float = 0.0
    approved: str | None = None
    may_have_run: bool = False
    arguments_hash: str = ""
    failed: bool = False
    """Whether its end counts as a failure of the tool."""
    is_known: bool = True
    """Whether there is a tool for it that could be run."""
    result: Any = None
    """The value as the tool gave it, which is not stored."""

    values: dict[str, Any] | None = None
    """The arguments as the function takes them, while they are known; not stored."""
    asked: dict[str, Any] | None = None
    """What the tool has asked the user, and what it wants back with the answers."""
    answers: list[Any] | None = None

    @property
    def questions(self) -> tuple[Question, ...]:
        """What the tool has asked the user."""
        return () if self.asked is None else tuple(Question(**one) for one in self.asked["questions"])

    media: Sequence[Any] = ()
    """What goes with the text: media, or their plain data when they have been stored."""

    def finish(self, text: str, *, value: Any = None, error: str | None = None, failed: bool = False) -> None:
        """Note how the call ended."""
        self.stage, self.text, self.value, self.error, self.failed = "done", text, value, error, failed

    def finish_with(self, result: WrittenResult) -> None:
        """Note what the tool gave."""
        self.finish(result.text, value=result.value)
        self.media = result.media

    def content(self) -> dict[str, Any]:
        """Give the fields of the message that tells its media; none if there are none."""
        media = [made for made in map(media_of, self.media) if made is not None]
        return {"content": [{"type": "text", "text": self.text}, *media]} if media else {}

    def request(self, number: int, why: str) -> ToolRequest:
        """Show it to who decides."""
        return ToolRequest(self.id, self.name, self.arguments, number, why)

    def run(self, number: int) -> ToolRun:
        """Show how it ended."""
        return ToolRun(
            id=self.id,
            name=self.name,
            arguments=self.arguments,
            value=self.value if self.result is None else self.result,
            error=self.error,
            seconds=self.seconds,
            round=number,
            approved=self.approved,
            may_have_run=self.may_have_run,
        )

    def key(self, run_id: str, number: int) -> str:
        """Give the idempotency key: the same whenever this very call is run."""
        told = json.dumps([run_id, number, self.id, self.name, self.arguments_hash])
        return sha256(told.encode()).hexdigest()[:32]


@dataclass(slots=True)
class RunState:
    """All that a call with tools must not forget."""

    run_id: str
    fingerprint: str = ""
    request: dict[str, Any] = field(default_factory=dict)
    """The first request: messages, parameters, model."""
    number: int = 1
    """The round, from 1."""
    added: list[Message] = field(default_factory=list)
    """The messages of the rounds that are over."""
    corrections: list[int] = field(default_factory=list)
    """Where in `added` the model is shown what was wrong with its answer."""
    answer: Message | None = None
    """The answer whose calls are being worked on."""
    pending: list[PendingCall] = field(default_factory=list)
    runs: list[ToolRun] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    """How often each tool has failed in a row."""
    repeats: dict[str, int] = field(default_factory=dict)
    """In how many rounds in a row each call was asked for, by name and arguments."""
    known_results: dict[str, str] = field(default_factory=dict)
    used_ids: list[str] = field(default_factory=list)
    final: dict[str, Any] | None = None
    """The last answer, when all is done."""
    is_given_up: bool = False
    """Whether it must never go on: its conversation has."""

    def correct(self, messages: Sequence[Message]) -> None:
        """Show the model what was wrong with its answer."""
        self.corrections += range(len(self.added), len(self.added) + len(messages))
        self.added += messages

    @property
    def stored(self) -> tuple[Message, ...]:
        """The messages that a chat keeps: the calls and their results, without the corrections."""
        return tuple(message for at, message in enumerate(self.added) if at not in self.corrections)

    def dump(self) -> str:
        """Write it as JSON."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        told["added"] = [dict(message) for message in self.added]
        told["answer"] = None if self.answer is None else dict(self.answer)
        told["pending"] = [
            {**asdict_of(call), "result": None, "values": None, "media": list(map(_stored, call.media))}
            for call in self.pending
        ]
        told["runs"] = [{**asdict_of(run), "value": plain(run.value)} for run in self.runs]
        told["usages"] = [asdict(usage) for usage in self.usages]
        return json.dumps({"v": VERSION, **told})

    @classmethod
    def load(cls, text: str) -> RunState:
        """Read it again; raises `RunDiverged` for what is none."""
        try:
            told = json.loads(text)
            if told.pop("v") != VERSION:
                raise RunDiverged("this run was written by another version of the library: it cannot go on here")
            told["added"] = [restore_media(Message.of(message)) for message in told["added"]]
            told["answer"] = None if told["answer"] is None else Message.of(told["answer"])
            told["pending"] = [PendingCall(**call) for call in told["pending"]]
            told["runs"] = [ToolRun(**run) for run in told["runs"]]
            told["usages"] = [Usage(**usage) for usage in told["usages"]]
            return cls(**told)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunDiverged(
                f"expected the state of a run, as ApprovalRequired.paused has it, got {text!r:.80}"
            ) from error


def _stored(media: Any) -> Any:
    made = media_of(media)
    return media if made is None else {"type": "media", "kind": made.kind, **made.to_data()}


def asdict_of(value: Any) -> dict[str, Any]:
    """Give a dataclass's fields, not what is in them."""
    return {one.name: getattr(value, one.name) for one in fields(value)}


def plain(value: Any) -> Any:
    """Give a value as plain data; what JSON has no words for is told by its `repr`."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, by_alias=True, fallback=repr, inf_nan_mode="strings")


_spell_sorted = json.JSONEncoder(sort_keys=True).encode


def hash_arguments(arguments: Any) -> str:
    """Give the hash of arguments, whatever the order of their names."""
    return sha256(_spell_sorted(arguments).encode()).hexdigest()


def fingerprint_of(request: Request) -> str:
    """Give the hash of what was asked in the first place."""
    return sha256(json.dumps(request_facts(request), sort_keys=True, default=repr).encode()).hexdigest()


def request_facts(request: Request) -> dict[str, Any]:
    """Give what is stored of the first request."""
    params: Mapping[str, Any] = request.params
    return {
        "name": request.name,
        "model": request.model,
        "messages": [dict(message) for message in request.messages],
        "params": plain(dict(params)),
        "tools": [tool.get("function", {}).get("name") for tool in request.tools],
    }
