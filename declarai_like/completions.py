"""What a provider answered, at the level of the wire: the completion and its parts.

The names are those of the OpenAI chat completion object, so that code written for it reads on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import nan
from typing import TYPE_CHECKING, Any, Literal

from declarai_like._writing.texts import json_text, mend_surrogates, plain_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Choice",
    "Completion",
    "CompletionMessage",
    "FinishReason",
    "Logprobs",
    "Question",
    "TokenLogprob",
    "ToolCall",
    "ToolRequest",
    "ToolRun",
    "Usage",
]


class FinishReason(str, Enum):
    """Why a model stopped, in the words that providers agree on; a member equals its string.

    Providers have others (`"eos_token"`, `"end_turn"`, ...): those are kept as they came and mean what `stop` means.
    A `finish_reason` is always the plain string, so compare it: `response.finish_reason == FinishReason.length`.
    """

    stop = "stop"
    """A natural end, or a stop sequence; also sent with tool calls that were demanded."""
    length = "length"
    """The token limit, or the end of the context: the answer is cut."""
    content_filter = "content_filter"
    """The provider's filter has cut the answer."""
    tool_calls = "tool_calls"
    """The model calls tools; look at `tool_calls` itself rather than at this word."""
    function_call = "function_call"
    """The same in the first form of the format."""

    __str__ = str.__str__


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a call has cost, as the provider counted them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Whatever else the provider told, e.g. `{"prompt_tokens_details": {"cached_tokens": 0}}`."""
    cache_read: int | None = None
    """The tokens of the prompt that came from the provider's cache; `None` when it never said."""
    cache_write: int | None = None
    """The tokens of the prompt that were put into the cache; `None` when it never said."""
    reasoning: int | None = None
    """The tokens of the answer that were spent on thinking; `None` when it never said."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Usage:
        """Read the wire's `usage` object; a total that is not told is the sum of its parts."""
        kept = raw.get("details")
        details = dict(kept) if isinstance(kept, dict) else {}
        details.update((name, value) for name, value in raw.items() if name not in _FIELDS)
        prompt, completion, total = (_count(raw.get(name)) for name in _COUNTS)
        if total is None and prompt is not None and completion is not None:
            total = prompt + completion
        read, written, thought = (_first_count(raw, details, name) for name in _DETAILS)
        return cls(prompt, completion, total, details, read, written, thought)


_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_DETAILS: dict[str, tuple[tuple[str, ...], ...]] = {
    "cache_read": (
        ("prompt_tokens_details", "cached_tokens"),
        ("prompt_cache_hit_tokens",),  # DeepSeek
        ("cached_tokens",),  # Moonshot
    ),
    "cache_write": (("prompt_tokens_details", "cache_write_tokens"),),
    "reasoning": (("completion_tokens_details", "reasoning_tokens"), ("reasoning_tokens",)),
}
"""Where the counts stand that not all providers tell, the usual place first."""
_FIELDS = frozenset({*_COUNTS, *_DETAILS, "details"})


def _first_count(raw: Mapping[str, Any], details: Mapping[str, Any], name: str) -> int | None:
    """Give a count as it is named here, or from the first of the places where providers tell it."""
    count = _count(raw.get(name))
    if count is not None or not details:
        return count
    for path in _DETAILS[name]:
        count = _count(_at(details, path))
        if count is not None:
            break
    return count


def _at(details: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = details
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _count(told: Any) -> int | None:
    return told if isinstance(told, int) and not isinstance(told, bool) else None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token with the logarithm (base e) of its probability, and its rivals if they were asked for."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top_logprobs: tuple[TokenLogprob, ...] = ()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> TokenLogprob:
        """Read one entry of the wire's `logprobs.content`."""
        spelled, rivals = raw.get("bytes"), raw.get("top_logprobs")
        logprob = raw.get("logprob")
        return cls(
            mend_surrogates(str(raw.get("token") or "")),
            _number(logprob),
            tuple(spelled) if isinstance(spelled, (list, tuple)) else None,
            tokens_of(rivals),
        )


def _number(told: Any) -> float:
    try:
        return float(told) if isinstance(told, (int, float)) else nan
    except OverflowError:
        return nan


def tokens_of(raw: Any) -> tuple[TokenLogprob, ...]:
    """Read a list of tokens in the wire's form, or in ours; what is no token is left out."""
    tokens = raw if isinstance(raw, (list, tuple)) else ()
    return tuple(
        token if isinstance(token, TokenLogprob) else TokenLogprob.of(token)
        for token in tokens
        if isinstance(token, (dict, TokenLogprob))
    )


@dataclass(frozen=True, slots=True)
class Logprobs:
    """The log probabilities of an answer's tokens, and of a refusal's.

    Text completions have another form: four lists side by side, one entry for each token. They are kept as they came
    (`content` is `None` then), and there are no events for them. `text_offset` counts characters, but some servers
    count anew in each chunk.
    """

    content: tuple[TokenLogprob, ...] | None = None
    refusal: tuple[TokenLogprob, ...] | None = None
    tokens: tuple[str, ...] | None = None
    token_logprobs: tuple[float | None, ...] | None = None
    top_logprobs: tuple[Mapping[str, float] | None, ...] | None = field(default=None, hash=False)
    text_offset: tuple[int, ...] | None = None

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Logprobs:
        """Read the wire's `logprobs` object, in either form."""
        content, refusal = raw.get("content"), raw.get("refusal")
        return cls.joined(
            None if content is None else tokens_of(content),
            None if refusal is None else tokens_of(refusal),
            (raw,) if is_legacy(raw) else (),
        )

    @classmethod
    def joined(
        cls,
        content: tuple[TokenLogprob, ...] | None,
        refusal: tuple[TokenLogprob, ...] | None,
        legacy: Sequence[Mapping[str, Any]],
    ) -> Logprobs:
        """Put them together; `legacy` are the pieces of a text completion's lists."""
        lists = [tuple(entry for piece in legacy for entry in piece.get(name) or ()) for name in _LISTS]
        return cls(content, refusal, *(lists if legacy else ()))

    def legacy(self) -> dict[str, Any]:
        """Give the lists of a text completion."""
        return {name: getattr(self, name) for name in _LISTS}


_LISTS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


def is_legacy(raw: Mapping[str, Any]) -> bool:
    """Say whether these are a text completion's lists."""
    return all(isinstance(raw.get(name), (list, tuple, type(None))) for name in _LISTS) and bool(raw.get("tokens"))


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for; running it is the caller's business.

    `arguments` is the text as it arrived. `index` counts the calls of one answer in order of first appearance.
    """

    index: int
    id: str | None
    name: str
    arguments: str = ""
    type: str = "function"
    parsed_arguments: Any = None
    """The arguments as data, for a strict tool whose arguments are a JSON object; else `None`."""
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The fields of the wire's call that are not known here; they go back with the call."""

    @property
    def function(self) -> ToolCall:
        """The call itself, so that `call.function.name` and `call.function.arguments` read on."""
        return self

    def wire(self) -> dict[str, Any]:
        """This call as an assistant message repeats it."""
        return {
            **self.extra,
            "id": self.id,
            "type": self.type,
            "function": {"name": self.name, "arguments": self.arguments},
        }


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool call that waits for a decision: what an approver is asked, and what `ApprovalRequired.pending` lists.

    `arguments` are those that will be run, `round` is the request (from 1) whose answer asked for the call, and `why`
    says why it waits.
    """

    id: str
    name: str
    arguments: Mapping[str, Any] = field(hash=False)
    round: int = 1
    why: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What a server of tools asks, in the middle of a call.

    A `form` wants a mapping that is of `schema`, a JSON Schema; a `url` wants the user to go to an address, and `True`
    when that is done; a `model` wants to ask the model at your cost, and `True` if it may. `None` and `False` decline.
    `server` is the name of who asks, and `message` is what it says: do not give it what you would not tell it.
    """

    server: str
    message: str
    kind: Literal["form", "url", "model"] = "form"
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    url: str | None = None


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One tool call as it ended: its `value`, or the `error` that the model was shown.

    `seconds` is how long the tool ran, `round` the request (from 1) whose answer asked for it. `approved` says who
    let it run (`"approver"`, `"decision"`), and is `None` for a call that needed nobody. `may_have_run` marks a call
    whose effect is not known: its time was over, or it was left while it ran.
    """

    id: str
    name: str
    arguments: Any = field(default=None, hash=False)
    value: Any = field(default=None, hash=False)
    error: str | None = None
    seconds: float = 0.0
    round: int = 1
    approved: str | None = None
    may_have_run: bool = False


@dataclass(frozen=True, slots=True)
class CompletionMessage:
    """One choice's message; `content` is `None` when the model said nothing in words."""

    role: str = "assistant"
    content: str | None = None
    refusal: str | None = None
    parsed: Any = None
    tool_calls: tuple[ToolCall, ...] | None = None
    reasoning: str | None = None
    function_call: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers that were asked for (`n`)."""

    index: int = 0
    message: CompletionMessage = field(default_factory=CompletionMessage)
    finish_reason: str | None = None
    logprobs: Logprobs | None = None

    @property
    def text(self) -> str:
        """The content, as text completions call it."""
        return self.message.content or ""


@dataclass(frozen=True, slots=True)
class Completion:
    """The accumulated answer of a call: whole when it has ended, partial before."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    system_fingerprint: str | None = None
    usage: Usage | None = None
    choices: tuple[Choice, ...] = ()

    def model_dump(self) -> dict[str, Any]:
        """Give the completion as a dict of plain data."""
        plain: dict[str, Any] = plain_data(self)
        return plain

    def model_dump_json(self) -> str:
        """Give the completion as JSON text."""
        return json_text(self)
