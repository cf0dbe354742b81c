"""What a tool asks the user while it runs, and how a call waits for the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from declarai_like.completions import Question

__all__ = ["NeedsAnswers", "check_answer"]


class NeedsAnswers(Exception):
    """Raised by a tool that cannot go on without answers; `state` is what it wants back with them."""

    def __init__(self, questions: tuple[Question, ...], state: Any) -> None:
        super().__init__("; ".join(question.message for question in questions))
        self.questions = questions
        self.state = state

    def dump(self) -> dict[str, Any]:
        """Give it as plain data."""
        return {"questions": [asdict(question) for question in self.questions], "state": self.state}


def check_answer(question: Question, answer: Any) -> None:
    """Raise `TypeError` for an answer that is not what was asked for."""
    if answer is None or answer is False:
        return
    if question.kind != "form":
        if answer is not True:
            raise TypeError(f"{question.message!r:.80}: expected True or False, got {answer!r:.80}")
        return
    if not isinstance(answer, Mapping):
        raise TypeError(f"{question.message!r:.80}: expected a mapping of the fields, got {answer!r:.80}")
    from declarai_like.tools.parameters import InvalidArguments
    from declarai_like.tools.schema_parameters import SchemaParameters

    try:
        SchemaParameters(question.server, dict(question.schema or {})).validate(answer)
    except InvalidArguments as error:
        raise TypeError(f"{question.message!r:.80}: the answer is not what was asked for: {error}") from None
