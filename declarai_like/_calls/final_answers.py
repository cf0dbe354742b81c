"""A typed answer that is given by calling a tool, `final_answer`: for servers that hold no answer to a schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._calls.dialects import NativeDialect
from declarai_like._prompting.instructions import render_packaged
from declarai_like._wire.final_answers import FINAL_ANSWER, FinalAnswerReader
from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse
    from declarai_like.tools.run_states import RunState
    from declarai_like.tools.settings import ToolSettings

__all__ = ["FinalAnswerDialect", "takes_final_answer"]


def takes_final_answer(request: Request) -> bool:
    """Say whether the answer is to be given by a call: it was asked for, and the type is an object."""
    form = request.response_format or {}
    return request.answer_as_tool and form.get("json_schema", {}).get("schema", {}).get("type") == "object"


class FinalAnswerDialect(NativeDialect):
    """The tools and one more, whose arguments are the answer. The schema of the answer is sent in no other way."""

    def __init__(self, settings: ToolSettings, form: Mapping[str, Any]) -> None:
        super().__init__(settings, sends_schema=False)
        if FINAL_ANSWER in self.tools:
            raise DefinitionError(
                f'output="tool" adds a tool {FINAL_ANSWER!r}: give the one of this name another name='
            )
        self._form = form
        self._reader: FinalAnswerReader | None = None

    def encode(self, first: Request, state: RunState, *, is_last: bool = False) -> Request:
        """Give the request of a round; one that must be answered is one in which nothing else may be called."""
        request = super().encode(first, state, is_last=is_last)
        params = dict(request.params)
        if params.get("tool_choice") == "none":
            params["tool_choice"] = {"type": "function", "function": {"name": FINAL_ANSWER}}
        told = {
            "name": FINAL_ANSWER,
            "description": render_packaged("final_answer"),
            "parameters": self._form["schema"],
            "strict": bool(self._form.get("strict")),
        }
        tools = (*request.tools, {"type": "function", "function": told})
        return request.replace(params=params, tools=tools, response_format=None)

    def reads(self, reader: Any) -> FinalAnswerReader:
        """Have the call of the answer read as its text."""
        self._reader = FinalAnswerReader(reader)
        return self._reader

    def read(self, response: LLMResponse) -> None:
        """Leave out what was called beside the answer: it ends the call, and nothing is run after it."""
        if self._reader is not None and self._reader.has_answer:
            response.ask_for(())
