"""A choice and a completion as they stood at one moment, built when somebody looks at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from declarai_like.completions import Choice, Completion, CompletionMessage
from declarai_like.responses._fields import logprobs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from declarai_like._outputs.output import Output
    from declarai_like._outputs.partials import Partials
    from declarai_like._values.buffers import AnswerMetadata, GrowingText, Progress


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
        partials = self._partials
        if partials is None or end - self._seen != 1:
            return self._upto(end).value
        partials.feed(self._text.pieces[self._seen])  # the next piece, as nearly always
        self._seen = end
        return partials.value

    def items(self, end: int) -> list[Any]:
        """Give the items of a list that the first `end` pieces have closed."""
        return self._upto(end).items

    @property
    def misfit(self) -> str | None:
        """Which closed part of what has come is not of its type, and why; `None` while all are."""
        return self._upto(len(self._text.pieces)).misfit

    def _upto(self, end: int) -> Partials[Any]:
        partials = self._partials
        if partials is None or end < self._seen:  # an earlier step is asked for: read again from the start
            self._partials = partials = self._output.partials()
            self._seen = 0
        for piece in self._text.pieces[self._seen : end]:
            partials.feed(piece)
        self._seen = end
        return partials


class ChoiceSnapshot(NamedTuple):
    """One choice at one moment; costs little, for it shares the text."""

    choice_index: int
    text: GrowingText
    end: int
    has_content: bool
    progress: Progress
    parsed: Any

    def choice(self) -> Choice:
        """Show the choice as it stood."""
        progress = self.progress
        message = CompletionMessage(
            role=progress.role or "assistant",
            content=self.text.prefix(self.end) if self.has_content else None,
            refusal=None if progress.refusal is None else progress.refusal.string(),
            parsed=self.parsed,
            tool_calls=None if progress.tool_calls is None else progress.tool_calls.tuple(),
            reasoning=None if progress.reasoning is None else progress.reasoning.string(),
            function_call=None if progress.function_call is None else progress.function_call.data(),
        )
        return Choice(self.choice_index, message, progress.finish_reason, logprobs_of(progress))


def completion_of(metadata: AnswerMetadata, snapshots: Iterable[ChoiceSnapshot]) -> Completion:
    """Show a completion as it stood."""
    choices = tuple(snapshot.choice() for snapshot in snapshots)
    return Completion(
        metadata.id, metadata.model, metadata.created, metadata.system_fingerprint, metadata.usage, choices
    )


def completion_at(metadata: AnswerMetadata, log: Sequence[ChoiceSnapshot], end: int, count: int) -> Completion:
    """Show a completion by the last snapshot of each of `count` choices among the first `end` of a log."""
    last: dict[int, ChoiceSnapshot] = {}
    for place in range(end - 1, -1, -1):
        if len(last) == count:
            break
        last.setdefault(log[place].choice_index, log[place])
    return completion_of(metadata, (snapshot for _, snapshot in sorted(last.items())))
