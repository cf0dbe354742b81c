"""One choice of an answer while it grows, put together from what each chunk says of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from declarai_like._buffers import GrowingText, ListPrefix, Progress
from declarai_like._outputs.reasoning import ReasoningSplitter
from declarai_like._wire.tool_calls import Fragment, ToolCalls, as_text, is_json_object, json_or_none
from declarai_like.completions import (
    Choice,
    Completion,
    CompletionMessage,
    TokenLogprob,
    ToolCall,
    is_legacy,
    tokens_of,
)
from declarai_like.errors import ContentFiltered, OutputError, OutputTruncated, ToolArgumentsError
from declarai_like.responses import Parsed, logprobs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from declarai_like._buffers import AnswerMetadata
    from declarai_like._outputs.output import Output
    from declarai_like._outputs.partials import Partials

_CUTS = {"length": OutputTruncated, "content_filter": ContentFiltered}
SURROGATE = re.compile("[\ud800-\udfff]")


class Step(NamedTuple):
    """What one chunk brought to one choice."""

    state: ChoiceState
    content: str
    refusal: str
    reasoning: str
    fragments: list[Fragment]
    tokens: tuple[TokenLogprob, ...]
    refusal_tokens: tuple[TokenLogprob, ...]
    ended: bool
    """Whether this chunk brought the finish reason."""


class PartialView:
    """The typed value of a growing text, read only when it is asked for and only as far as it is new."""

    __slots__ = ("_output", "_partials", "_seen", "_text")

    def __init__(self, text: GrowingText, output: Output[Any]) -> None:
        self._text = text
        self._output = output
        self._partials: Partials[Any] | None = None
        self._seen = 0

    def at(self, end: int) -> Any:
        """Give the partial value of the first `end` pieces."""
        return self._upto(end).value

    def items(self, end: int) -> list[Any]:
        """Give the items of a list that the first `end` pieces have closed."""
        return self._upto(end).items

    def _upto(self, end: int) -> Partials[Any]:
        partials = self._partials
        if partials is None or end < self._seen:  # an earlier step is asked for: read again from the start
            self._partials = partials = self._output.partials()
            self._seen = 0
        for piece in self._text.pieces[self._seen : end]:
            partials.feed(piece)
        self._seen = end
        return partials


class ChoiceState:
    """One choice while it grows."""

    __slots__ = (
        "concluded",
        "error",
        "index",
        "legacy_logprobs",
        "parsed",
        "progress",
        "reasoning",
        "refusal_tokens",
        "splitter",
        "spoke",
        "text",
        "tokens",
        "tools",
        "view",
    )

    def __init__(self, index: int, output: Output[Any] | None, *, reasoning_tags: bool = True) -> None:
        self.index = index
        self.splitter = ReasoningSplitter(typed=output is not None) if reasoning_tags else None
        """Parts the thinking from the answer; `None` once all that comes is the answer."""
        self.text = GrowingText()
        self.spoke = False
        """Whether a content was sent at all, if only an empty one."""
        self.progress = Progress()
        self.reasoning = GrowingText()
        self.tokens: list[TokenLogprob] = []
        self.refusal_tokens: list[TokenLogprob] = []
        self.legacy_logprobs: list[Mapping[str, Any]] = []
        self.tools = ToolCalls()
        self.view = PartialView(self.text, output) if output else None
        self.parsed: Parsed | None = None
        self.error: OutputError | None = None
        self.concluded = -1
        """How much of the text had come when its values were read."""

    def absorb(self, choice: Mapping[str, Any]) -> Step:
        """Take in what a chunk says of this choice."""
        delta = delta_of(choice)
        content, refusal = text_of(delta.get("content")), text_of(delta.get("refusal"))
        reasoning = text_of(delta.get("reasoning_content") or delta.get("reasoning"))
        self.spoke = self.spoke or delta.get("content") is not None
        if self.splitter is not None:
            content, thinking = self._split(content, is_last=bool(choice.get("finish_reason")))
            reasoning += thinking
        _grow(self.text, content)
        _grow(self.reasoning, reasoning)
        fragments = self.tools.feed(delta.get("tool_calls"))
        tokens, refusal_tokens = self._absorb_logprobs(choice.get("logprobs"))
        known, role, reason = self.progress, delta.get("role"), choice.get("finish_reason")
        # An empty word is no reason, and "error" is none either: the error itself is told apart.
        reason = reason if isinstance(reason, str) and reason not in ("", "error") else None
        self.progress = Progress(
            role=known.role or (role if isinstance(role, str) else ""),
            finish_reason=reason or known.finish_reason,
            refusal=(known.refusal or "") + refusal if refusal else known.refusal,
            reasoning=self._thinking,
            tool_calls=tuple(self.tools.calls) if fragments else known.tool_calls,
            logprobs=_span(self.tokens),
            refusal_logprobs=_span(self.refusal_tokens),
            legacy_logprobs=_span(self.legacy_logprobs),
            function_call=_merge_function_call(known.function_call, delta.get("function_call")),
        )
        ended = reason is not None and known.finish_reason is None
        return Step(self, content, refusal, reasoning, fragments, tokens, refusal_tokens, ended)

    def _split(self, content: str, *, is_last: bool) -> tuple[str, str]:
        """Part what came into answer and thinking; at the end, with what was held back."""
        splitter = self.splitter
        if splitter is None:
            return content, ""
        content, thinking = splitter.feed(content)
        if is_last:
            held, thoughts = splitter.finish()
            content, thinking = content + held, thinking + thoughts
        if splitter.passed:
            self.splitter = None
        return content, thinking

    def flush(self) -> Step | None:
        """Take what was held back, at an end that no finish reason has told; `None` if there is nothing."""
        content, reasoning = self._split("", is_last=True)
        if not content and not reasoning:
            return None
        _grow(self.text, content)
        _grow(self.reasoning, reasoning)
        self.progress = self.progress._replace(reasoning=self._thinking)
        return Step(self, content, "", reasoning, [], (), (), ended=False)

    @property
    def _thinking(self) -> tuple[GrowingText, int] | None:
        return (self.reasoning, len(self.reasoning.pieces)) if self.reasoning.pieces else None

    def _absorb_logprobs(self, logprobs: Any) -> tuple[tuple[TokenLogprob, ...], tuple[TokenLogprob, ...]]:
        if not isinstance(logprobs, dict):
            return (), ()
        tokens, refusal_tokens = tokens_of(logprobs.get("content")), tokens_of(logprobs.get("refusal"))
        self.tokens += tokens
        self.refusal_tokens += refusal_tokens
        if is_legacy(logprobs):
            self.legacy_logprobs.append(logprobs)
        return tokens, refusal_tokens

    def conclude(self, output: Output[Any] | None, strict_tools: frozenset[str]) -> None:
        """Read the values of the whole answer; what is wrong with them is kept in `error`."""
        reason = self.progress.finish_reason
        if self.concluded == len(self.text.pieces):
            return
        self.concluded = len(self.text.pieces)
        self.parsed = self.error = None
        if output is not None:
            self.parsed = self._read(output)
        elif strict_tools and reason in _CUTS:
            self.error = _CUTS[reason](f"the answer was cut ({reason}): {self.text.prefix(self.concluded)!r:.200}")
        calls = tuple(_with_arguments(call, strict_tools) for call in self.progress.tool_calls)
        self.progress = self.progress._replace(tool_calls=calls)
        bad = [call for call in calls if call.name in strict_tools and call.parsed_arguments is None]
        if bad and self.error is None:
            self.error = _arguments_error(bad[0])

    def _read(self, output: Output[Any]) -> Parsed | None:
        text, progress = self.text.prefix(len(self.text.pieces)), self.progress
        if progress.finish_reason == "content_filter":
            self.error = ContentFiltered(f"the provider's content filter cut the answer {text!r:.200}")
        elif text and not progress.refusal and not progress.tool_calls:
            try:
                return output.parse(text, finish_reason=progress.finish_reason)
            except OutputError as error:
                self.error = error
        elif not progress.refusal and progress.finish_reason == "length":
            self.error = OutputTruncated(f"the token limit was reached before any {output.type_name} was written")
        return None

    def snapshot(self) -> ChoiceSnapshot:
        """Hold fast this choice as it stands."""
        parsed = None if self.parsed is None else self.parsed.value
        end = len(self.text.pieces)
        return ChoiceSnapshot(self.index, self.text, end, self.spoke or end > 0, self.progress, parsed)


class ChoiceSnapshot(NamedTuple):
    """One choice at one moment; costs little, for it shares the text."""

    choice_index: int
    text: GrowingText
    end: int
    spoke: bool
    progress: Progress
    parsed: Any

    def choice(self) -> Choice:
        """Show the choice as it stood."""
        progress = self.progress
        reasoning = progress.reasoning
        message = CompletionMessage(
            role=progress.role or "assistant",
            content=self.text.prefix(self.end) if self.spoke else None,
            refusal=progress.refusal,
            parsed=self.parsed,
            tool_calls=progress.tool_calls or None,
            reasoning=None if reasoning is None else reasoning[0].prefix(reasoning[1]),
            function_call=progress.function_call,
        )
        return Choice(self.choice_index, message, progress.finish_reason, logprobs_of(progress))


def completion_of(metadata: AnswerMetadata, snapshots: Iterable[ChoiceSnapshot]) -> Completion:
    """Show a completion as it stood."""
    choices = tuple(snapshot.choice() for snapshot in snapshots)
    return Completion(
        metadata.id, metadata.model, metadata.created, metadata.system_fingerprint, metadata.usage, choices
    )


def delta_of(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what a chunk's choice brought, also when it is a text completion's or that of a whole answer."""
    delta = choice.get("delta") or choice.get("message")
    return delta if isinstance(delta, dict) else {"content": choice.get("text")}


def text_of(content: Any) -> str:
    """Read a text that is a string, or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(text for text in texts if isinstance(text, str))
    return ""


def _grow(text: GrowingText, piece: str) -> None:
    if piece:
        text.pieces.append(piece)
        if not text.surrogates and not piece.isascii() and SURROGATE.search(piece):
            text.surrogates = True


def _span(entries: list[Any]) -> ListPrefix | None:
    return ListPrefix(entries, len(entries)) if entries else None


def _merge_function_call(known: Mapping[str, Any] | None, delta: Any) -> Mapping[str, Any] | None:
    """Join the fragments of the legacy `function_call`."""
    if not isinstance(delta, dict):
        return known
    known = known or {"name": "", "arguments": ""}
    name, arguments = delta.get("name"), delta.get("arguments")
    return {
        "name": known["name"] or (name if isinstance(name, str) else ""),
        "arguments": known["arguments"] + as_text(arguments),
    }


def _with_arguments(call: ToolCall, strict_tools: frozenset[str]) -> ToolCall:
    if call.name not in strict_tools:
        return call
    parsed = json_or_none(call.arguments) if is_json_object(call.arguments) else None
    return ToolCall(call.index, call.id, call.name, call.arguments, call.type, parsed)


def _arguments_error(call: ToolCall) -> OutputError:
    return ToolArgumentsError(
        f"expected the arguments of the tool call {call.name} to be a JSON object, got {call.arguments!r:.200}"
    )
