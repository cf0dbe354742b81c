"""One choice of an answer while it grows, put together from what each chunk says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from declarai_like._outputs.reasoning import ReasoningSplitter
from declarai_like._values.buffers import FunctionCall, GrowingText, ListPrefix, Progress, TextPrefix
from declarai_like._values.outcomes import ending_of, finish_reason_of
from declarai_like._wire.deltas import as_text, delta_of, reasoning_of, refusal_of, tells, text_of
from declarai_like._wire.snapshots import ChoiceSnapshot, PartialView
from declarai_like._wire.state import VendorFields
from declarai_like._wire.tool_calls import Fragment, ToolCalls, is_json_object, json_or_none
from declarai_like.completions import TokenLogprob, ToolCall, is_legacy, tokens_of
from declarai_like.errors import ContentFiltered, OutputError, OutputTruncated, ToolArgumentsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._outputs.output import Output
    from declarai_like.responses import Parsed

_OUTCOMES = ("complete", "calls", "truncated", "filtered", "refused")
_CUTS: dict[str, type[OutputError]] = {"truncated": OutputTruncated, "filtered": ContentFiltered}


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


class ChoiceState:
    """One choice while it grows."""

    __slots__ = (
        "_concluded",
        "_function_name",
        "_reasoning_field",
        "error",
        "function_arguments",
        "has_content",
        "index",
        "legacy_logprobs",
        "parsed",
        "progress",
        "reasoning",
        "refusal",
        "refusal_tokens",
        "splitter",
        "text",
        "tokens",
        "tools",
        "vendor",
        "view",
    )

    def __init__(self, index: int, output: Output[Any] | None, *, reasoning_tags: bool = True) -> None:
        self.index = index
        self.splitter = ReasoningSplitter(typed=output is not None) if reasoning_tags else None
        """Parts the thinking from the answer; `None` once all that comes is the answer."""
        self.text = GrowingText()
        self.has_content = False
        """Whether a content was sent at all, if only an empty one."""
        self.progress = Progress()
        self.reasoning = GrowingText()
        self._reasoning_field: str | None = None
        self.refusal = GrowingText()
        self.tokens: list[TokenLogprob] = []
        self.refusal_tokens: list[TokenLogprob] = []
        self.legacy_logprobs: list[Mapping[str, Any]] = []
        self.tools = ToolCalls()
        self.vendor = VendorFields()
        self._function_name: str | None = None
        self.function_arguments = GrowingText()
        self.view = PartialView(self.text, output) if output else None
        self.parsed: Parsed | None = None
        self.error: OutputError | None = None
        self._concluded: tuple[int, int] | None = None
        """How much of the text and the calls had come when their values were read."""

    @property
    def has_begun(self) -> bool:
        """Whether anything of the answer has come."""
        return bool(self.text.pieces or self.reasoning.pieces or self.refusal.pieces or self.tools.calls)

    def absorb(self, choice: Mapping[str, Any]) -> Step:
        """Take in what a chunk says of this choice."""
        delta = delta_of(choice, begun=self.has_begun)
        content, refusal, reasoning = text_of(delta.get("content")), refusal_of(delta), self._new_reasoning(delta)
        reason, known = finish_reason_of(choice.get("finish_reason")), self.progress
        self.has_content = self.has_content or delta.get("content") is not None
        message = choice.get("message")
        if message and isinstance(message, dict) and self.text.pieces and (delta is message or not tells(delta)):
            content = self._beyond(text_of(message.get("content")), joins=delta is message)
        if self.splitter is not None:
            content, thinking = self._split(content, is_last=reason is not None)
            reasoning += thinking
        self.text.append(content)
        self.reasoning.append(reasoning)
        self.refusal.append(refusal)
        fragments = self.tools.feed(delta.get("tool_calls"))
        tokens, refusal_tokens = self._absorb_logprobs(choice.get("logprobs"))
        role = delta.get("role")
        self.progress = Progress(
            role=known.role or (role if isinstance(role, str) else ""),
            finish_reason=reason or known.finish_reason,
            refusal=_prefix(self.refusal),
            reasoning=_prefix(self.reasoning),
            tool_calls=self.tools.prefix() if fragments else known.tool_calls,
            logprobs=_span(self.tokens),
            refusal_logprobs=_span(self.refusal_tokens),
            legacy_logprobs=_span(self.legacy_logprobs),
            function_call=self._join_function_call(delta["function_call"])
            if "function_call" in delta
            else known.function_call,
            vendor=self.vendor.feed(delta),
            outcome=choice.get("outcome") if choice.get("outcome") in _OUTCOMES else known.outcome,
        )
        ended = reason is not None and known.finish_reason is None
        return Step(self, content, refusal, reasoning, fragments, tokens, refusal_tokens, ended)

    def _new_reasoning(self, delta: Mapping[str, Any]) -> str:
        """Give the thinking that a delta brought, but not once more in another form what has been told."""
        field, reasoning = reasoning_of(delta)
        if not reasoning:
            return ""
        self._reasoning_field = self._reasoning_field or field
        pieces = self.reasoning.pieces
        return "" if field != self._reasoning_field and reasoning == self.reasoning.prefix(len(pieces)) else reasoning

    def _beyond(self, content: str, *, joins: bool) -> str:
        """Give what a message that tells the text so far has beyond it; what another one has is told if it `joins`."""
        known = self.text.prefix(len(self.text.pieces))
        return content[len(known) :] if content.startswith(known) else content if joins else ""

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
        self.text.append(content)
        self.reasoning.append(reasoning)
        self.progress = self.progress._replace(reasoning=_prefix(self.reasoning))
        return Step(self, content, "", reasoning, [], (), (), ended=False)

    def close(self) -> None:
        """Note that nothing more comes: half a character at the end stays half."""
        for text in (self.text, self.reasoning, self.refusal, self.function_arguments):
            text.close()
        self.tools.close()

    def _absorb_logprobs(self, logprobs: Any) -> tuple[tuple[TokenLogprob, ...], tuple[TokenLogprob, ...]]:
        if not isinstance(logprobs, dict):
            return (), ()
        tokens, refusal_tokens = tokens_of(logprobs.get("content")), tokens_of(logprobs.get("refusal"))
        self.tokens += tokens
        self.refusal_tokens += refusal_tokens
        if is_legacy(logprobs):
            self.legacy_logprobs.append(logprobs)
        return tokens, refusal_tokens

    def _join_function_call(self, delta: Any) -> FunctionCall | None:
        """Join the fragments of the legacy `function_call`."""
        if isinstance(delta, dict):
            name = delta.get("name")
            self._function_name = self._function_name or (name if isinstance(name, str) else "")
            self.function_arguments.append(as_text(delta.get("arguments")))
        if self._function_name is None:
            return None
        pieces = self.function_arguments.pieces
        return FunctionCall(self._function_name, TextPrefix(self.function_arguments, len(pieces)))

    def conclude(self, output: Output[Any] | None, strict_tools: frozenset[str]) -> None:
        """Read the values of the whole answer; what is wrong with them is kept in `error`."""
        come = len(self.text.pieces), self.tools.size
        if self._concluded == come:
            return
        self._concluded = come
        self.close()
        self.parsed = self.error = None
        reason = self.progress.finish_reason
        ending = self.progress.outcome or ending_of(reason)
        if output is not None:
            self.parsed = self._read(output, ending)
        elif ending == "filtered" and not come[0]:
            self.error = ContentFiltered(f"the provider's content filter let no answer through ({reason})")
        elif strict_tools and ending in _CUTS:
            self.error = _CUTS[ending](f"the answer was cut ({reason}): {self.text.prefix(come[0])!r:.200}")
        calls = () if self.progress.tool_calls is None else self.progress.tool_calls.tuple()
        calls = tuple(_with_arguments(call, strict_tools) for call in calls)
        self.progress = self.progress._replace(tool_calls=ListPrefix.of(calls))
        bad = [call for call in calls if call.name in strict_tools and call.parsed_arguments is None]
        if bad and self.error is None:
            self.error = _arguments_error(bad[0])

    def _read(self, output: Output[Any], ending: str) -> Parsed | None:
        text, progress = self.text.prefix(len(self.text.pieces)), self.progress
        if ending == "filtered":
            self.error = ContentFiltered(f"the provider's content filter cut the answer {text!r:.200}")
        elif text and not progress.refusal and not progress.asks_for_tools and ending != "refused":
            try:
                return output.parse(text, finish_reason="length" if ending == "truncated" else progress.finish_reason)
            except OutputError as error:
                self.error = error
        elif not progress.refusal and ending == "truncated":
            spent = "; thinking has used it up: raise it, or let the model think less" if progress.reasoning else ""
            self.error = OutputTruncated(
                f"the token limit was reached before any {output.type_name} was written{spent}"
            )
        return None

    def snapshot(self) -> ChoiceSnapshot:
        """Hold fast this choice as it stands."""
        parsed = None if self.parsed is None else self.parsed.value
        end = len(self.text.pieces)
        return ChoiceSnapshot(self.index, self.text, end, self.has_content or end > 0, self.progress, parsed)


def _prefix(text: GrowingText) -> TextPrefix | None:
    return TextPrefix(text, len(text.pieces)) if text.pieces else None


def _span(entries: list[Any]) -> ListPrefix | None:
    return ListPrefix(entries, len(entries)) if entries else None


def _with_arguments(call: ToolCall, strict_tools: frozenset[str]) -> ToolCall:
    if call.name not in strict_tools:
        return call
    return replace(call, parsed_arguments=json_or_none(call.arguments) if is_json_object(call.arguments) else None)


def _arguments_error(call: ToolCall) -> OutputError:
    return ToolArgumentsError(
        f"expected the arguments of the tool call {call.name} to be a JSON object, got {call.arguments!r:.200}"
    )
