"""Every error that declarai_like raises on purpose.

    DeclaraiError
    ├── DefinitionError              the code: a task or chat cannot be declared like this
    ├── ConfigurationError           the setup: a key, a model, a provider is missing or wrong
    │   └── MissingExtra             an optional dependency is not installed (also an ImportError)
    ├── ArgumentError                the call: an argument cannot be put into the prompt (also a TypeError)
    ├── LimitExceeded                your own limit: of tokens, requests, prompt size or concurrency
    ├── ProviderError                the other side: it refused, failed, or went away
    │   ├── ProviderConnectionError  it could not be reached
    │   ├── ProviderTimeout          it did not answer in time
    │   ├── AuthenticationError      it did not accept the key (401, 403)
    │   ├── NotFoundError            it knows no such model or address (404)
    │   ├── BadRequestError          it did not accept the request (other 4xx)
    │   ├── RateLimited              too many requests, or no quota left (429)
    │   ├── ServerError              it failed by itself (5xx)
    │   ├── InvalidResponse          what it sent is not a model's answer
    │   │   └── EmptyResponse        it sent nothing at all
    │   └── StreamInterrupted        the stream ended before the answer did
    ├── OutputError                  the model's words: they are not the declared type
    │   ├── OutputTruncated          the answer was cut at the token limit
    │   ├── ModelRefusal             the model declined
    │   ├── ContentFiltered          the provider's filter cut the answer
    │   └── ToolArgumentsError       a strict tool call's arguments are not what its schema says
    ├── HistoryError                 the store: a conversation could not be read or written
    │   └── HistoryWriteError        the answer came but could not be stored; it is not lost
    ├── ToolError                    a tool's own words to the model, raised by the tool
    ├── ToolFailed                   a tool: it cannot go on, or it failed too often in a row
    └── RunError                     a call with tools, as it is kept in a run store
        ├── ApprovalRequired         tool calls wait for a decision
        ├── OutcomeUnknown           a tool began, and nobody knows how it ended
        ├── RunBusy                  somebody else goes on with this run just now
        ├── RunDiverged              what is to go on is not what was begun
        └── TurnPending              a chat's turn waits for decisions

The class says whose fault it was; the message says what was expected, what came, and what to do. An error of another
library that lies beneath is the attribute `cause`: it is not printed, so that our sentence is what one reads.
Errors can be pickled, and none of them ever holds a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from declarai_like.completions import Completion, ToolRequest, ToolRun
    from declarai_like.messages import Message
    from declarai_like.responses import Attempt, LLMResponse

__all__ = [
    "ApprovalRequired",
    "ArgumentError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ContentFiltered",
    "DeclaraiError",
    "DefinitionError",
    "EmptyResponse",
    "HistoryError",
    "HistoryWriteError",
    "InvalidResponse",
    "LimitExceeded",
    "MissingExtra",
    "ModelRefusal",
    "NotFoundError",
    "OutcomeUnknown",
    "OutputError",
    "OutputTruncated",
    "ProviderConnectionError",
    "ProviderError",
    "ProviderTimeout",
    "RateLimited",
    "RunBusy",
    "RunDiverged",
    "RunError",
    "ServerError",
    "StreamInterrupted",
    "ToolArgumentsError",
    "ToolError",
    "ToolFailed",
    "TurnPending",
]


class DeclaraiError(Exception):
    """The root of all errors that this library raises on purpose."""

    cause: BaseException | None = None
    """The error beneath, if there is one, with its traceback; it does not go along when the error is pickled."""

    @property
    def message(self) -> str:
        """What went wrong and what to do, as shown by `str()`."""
        return str(self.args[0]) if self.args else ""

    def with_cause(self, cause: BaseException | None) -> Self:
        """Keep the error beneath as `cause`, and give this one, to be raised `from None`."""
        self.cause = cause
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the cause: another library's error, and what its frames hold, need not be picklable."""
        reduced: Any = super().__reduce__()
        kind, args = reduced[:2]
        return kind, args, {name: value for name, value in vars(self).items() if name != "cause"}


class DefinitionError(DeclaraiError):
    """A task or chat class cannot be declared like this; raised where it is defined."""


class ConfigurationError(DeclaraiError):
    """A key, a model or a provider is missing or unknown; nothing was sent."""


class MissingExtra(ConfigurationError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""


class ArgumentError(DeclaraiError, TypeError):
    """An argument cannot be put into the prompt, or the arguments make none; nothing was sent."""


class LimitExceeded(DeclaraiError):
    """A limit that you set would be passed: `limits(...)`, `max_prompt_chars`, `max_concurrency`, `max_rounds`.

    Nothing was sent beyond it. `response` is the last answer of a call with tools, and `calls` are its tool calls.
    """

    def __init__(
        self, message: str = "", *, response: LLMResponse | None = None, calls: Sequence[ToolRun] = ()
    ) -> None:
        """Keep what had come before the limit."""
        super().__init__(message)
        self.response = response
        self.calls = tuple(calls)


class CallError(DeclaraiError):
    """A call that was made and failed, with the evidence of what came."""

    def __init__(
        self,
        message: str = "",
        *,
        response: LLMResponse | None = None,
        completion: Completion | None = None,
        attempts: Sequence[Attempt] = (),
    ) -> None:
        """Keep what had arrived: `response` is `None` when nothing had."""
        super().__init__(message)
        self.response = response
        self.completion = completion
        self.attempts = tuple(attempts)


class ProviderError(CallError):
    """The provider refused, failed, or could not be reached.

    `status` is the HTTP status, `code` and `type` are the provider's own words, `body` is what it
    sent (secrets removed), `retry_after` is in seconds, `phase` is where it broke: `"connect"`,
    `"request"`, `"first_chunk"` or `"stream"`. `response` holds what had arrived of a stream. `retryable` says
    whether the same request may succeed later; `attempts` are all tries of the call, the last one last. `lessons`
    names the fields that the provider leaves out from now on, because of this refusal.
    """

    may_pass = False
    """Whether errors of this class are retryable, if the provider does not say."""

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        code: str | int | None = None,
        type: str | None = None,  # noqa: A002 - the provider's own field name
        request_id: str | None = None,
        retry_after: float | None = None,
        phase: str = "request",
        body: Any = None,
        retryable: bool | None = None,
        **evidence: Any,
    ) -> None:
        """Take the facts of the failure; `evidence` is what `CallError` keeps."""
        super().__init__(message, **evidence)
        self.retryable = self.may_pass if retryable is None else retryable
        self.status = status
        self.code = code
        self.type = type
        self.request_id = request_id
        self.retry_after = retry_after
        self.phase = phase
        self.body = body
        self.lessons: tuple[str, ...] = ()


class ProviderConnectionError(ProviderError):
    """The provider could not be reached, or the connection broke before an answer."""

    may_pass = True


class ProviderTimeout(ProviderError):
    """The provider did not answer within the time limit; `phase` says which one."""

    may_pass = True


class AuthenticationError(ProviderError):
    """The provider did not accept the key (401) or forbids the use of the model (403)."""


class NotFoundError(ProviderError):
    """The provider knows no such model or address (404)."""


class BadRequestError(ProviderError):
    """The provider did not accept the request; the same request will fail again."""


class RateLimited(ProviderError):
    """Too many requests (wait `retry_after` seconds), or no quota is left (`code` says so)."""

    may_pass = True

    def __init__(self, message: str = "", *, code: str | int | None = None, **facts: Any) -> None:
        """Take the facts; waiting does not help when the quota is used up."""
        if code == "insufficient_quota":
            facts["retryable"] = False
        super().__init__(message, code=code, **facts)


class ServerError(ProviderError):
    """The provider failed by itself (5xx)."""

    may_pass = True


class InvalidResponse(ProviderError):
    """What came is not a model's answer: a web page, broken JSON, a foreign format."""


class EmptyResponse(InvalidResponse):
    """The provider ended its answer without sending any of it."""


class StreamInterrupted(ProviderError):
    """The stream ended before the answer did; `response` holds the text that had arrived."""


class OutputError(CallError):
    """The model's answer is not of the declared type.

    `response` is the whole answer, `attempts` every answer that was tried, the last one last.
    """


class OutputTruncated(OutputError):
    """The answer was cut at the token limit; `partial` is what could be read of it."""

    def __init__(self, message: str = "", *, partial: Any = None, **evidence: Any) -> None:
        """Keep the `partial` value beside what `CallError` keeps."""
        super().__init__(message, **evidence)
        self.partial = partial


class ModelRefusal(OutputError):
    """The model declined to answer; `response.refusal` says it in its words."""


class ContentFiltered(OutputError):
    """The provider's content filter cut the answer."""


class ToolArgumentsError(OutputError):
    """A strict tool call's arguments are not JSON or not what the tool's schema says."""


class HistoryError(DeclaraiError):
    """A conversation's history could not be read or written; the call was not made."""


class HistoryWriteError(HistoryError):
    """The answer came but could not be stored: `response` and `value` hold it, the history is as before."""

    def __init__(self, message: str = "", *, response: LLMResponse | None = None, value: Any = None) -> None:
        """Keep the answer that could not be stored."""
        super().__init__(message)
        self.response = response
        self.value = value


class ToolError(DeclaraiError):
    """Raised by a tool: its text is what the model is shown, word for word."""


class ToolFailed(CallError):
    """A tool raised what the model is not to be shown, or failed more often in a row than its `retries` allow.

    `tool` is its name, `calls` are all tool calls of the run, the failed ones included, and `__cause__` is what the
    tool raised. Calls of the same answer that were under way have ended; nothing more was sent.
    """

    def __init__(self, message: str = "", *, tool: str = "", calls: Sequence[ToolRun] = (), **evidence: Any) -> None:
        """Keep the tool's name and the calls beside what `CallError` keeps."""
        super().__init__(message, **evidence)
        self.tool = tool
        self.calls = tuple(calls)


class RunError(DeclaraiError):
    """A call with tools cannot go on as it is; `run_id` names it in its run store."""

    def __init__(
        self,
        message: str = "",
        *,
        run_id: str | None = None,
        pending: Sequence[ToolRequest] = (),
        paused: str | None = None,
    ) -> None:
        """Keep what the caller needs to go on."""
        super().__init__(message)
        self.run_id = run_id
        self.pending = tuple(pending)
        self.paused = paused
        self.turn: tuple[Message, ...] = ()
        """A chat's turn as it would be stored if its calls were denied."""


class ApprovalRequired(RunError):
    """Tool calls wait for a decision; nothing of their answer was run but tools marked `eager`.

    `pending` lists them. Give the decisions to `resume`: with `run_id` where a run store keeps the run, else with
    `paused`, a JSON text for the caller to keep (it holds the conversation, so keep it as one).
    """


class OutcomeUnknown(RunError):
    """A tool was started and its process ended before the result was written: `pending` lists such calls.

    They are not run again by themselves. Decide with `Rerun()`, or `Provide(...)` with what you found out.
    """


class RunBusy(RunError):
    """Another thread or process goes on with this run just now; nothing was done."""


class RunDiverged(RunError):
    """The run that is to go on was begun with another request; nothing was done."""


class TurnPending(RunError):
    """A turn of this chat waits for decisions: `resume` it, or send with `pending="deny"`."""


_BY_STATUS: dict[int, type[ProviderError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    408: ProviderTimeout,
    429: RateLimited,
}
_BY_CODE: dict[object, type[ProviderError]] = {
    "insufficient_quota": RateLimited,
    "invalid_api_key": AuthenticationError,
    "model_not_found": NotFoundError,
    "rate_limit_exceeded": RateLimited,
}


def class_of(status: int | None, code: object = None) -> type[ProviderError]:
    """Find the class of a provider's refusal by its HTTP status, or by the provider's code if there is none."""
    if status is None:
        return _BY_CODE.get(code, ProviderError) if isinstance(code, str) else ProviderError
    if status >= 500:  # noqa: PLR2004 - HTTP's own border
        return ServerError
    return _BY_STATUS.get(status, BadRequestError if status >= 300 else ProviderError)  # noqa: PLR2004 - HTTP's own border
