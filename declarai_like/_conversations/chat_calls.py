"""A turn of a chat as a call: what is sent with the message, and with which options."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

from declarai_like._calls.flow import Call
from declarai_like._conversations.conversation import ChatState, Conversation
from declarai_like._conversations.files import attach
from declarai_like._conversations.system_prompt import SystemPrompt
from declarai_like._prompting.instructions import output_instructions, reask
from declarai_like._prompting.rendering import version_of
from declarai_like.memory import InMemoryMessageHistory
from declarai_like.messages import Message, MessageRole
from declarai_like.middleware.base import build_stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._calls.rounds import Rounds
    from declarai_like._conversations.declarations import ChatDeclaration
    from declarai_like.requests import Request
    from declarai_like.tools.run_stores import RunStore
    from declarai_like.tools.settings import ToolSettings

__all__ = ["ChatCalls"]


class ChatCalls:
    """What every chat does to make a call of a turn."""

    __chat__: ClassVar[ChatDeclaration]
    greeting: Any
    """What the assistant says first, or `None`."""

    def prepare_turn(
        self,
        message: str | None,
        values: Mapping[str, Any],
        llm_params: Mapping[str, Any] | None,
        told: Mapping[str, Any] | None = None,
        *,
        streaming: bool | None = None,
        as_events: bool = False,
    ) -> Call[Any]:
        """Put one turn together, the last one again without a message, to be made by somebody else.

        `told` is what goes with it: `files`, and for its tools `deps`, `runs`, `run_id`, `pending="deny"`. Raises
        `TypeError` if the system prompt lacks a value.
        """
        declared = self.__chat__
        streaming = declared.options.streaming if streaming is None else streaming
        system = self._system_prompt()
        prompt = system.refill(values) if message is None else system.fill(values)
        given = {name: value for name, value in (told or {}).items() if value is not None}
        said = attach(Message(message or ""), given.pop("files", ()), where=f"{type(self).__name__}.send()")
        messages = (*self._opening(system.render(prompt)), said)
        request = self._make_request(messages, llm_params, version_of(prompt.template), streaming=streaming)
        pending = given.pop("pending", "error")
        if pending not in {"error", "deny"}:
            raise TypeError(f"{type(self).__name__}.send() takes pending='error' or 'deny', got {pending!r:.80}")
        tools = self._tools()
        rounds = None
        if tools is not None:
            from declarai_like._calls.tool_use import use_tools

            request, rounds = use_tools(tools, request, **given)
        elif given:
            raise TypeError(
                f"{type(self).__name__}.send() takes {', '.join(sorted(given))} with tools, and it has none"
            )
        conversation = Conversation(
            self._session, self.greeting, prompt, again=message is None, denies=pending == "deny"
        )
        arguments = values if message is None else {declared.reply_to: message, **values}
        return self._make_call(request, arguments, conversation, rounds, as_events=as_events)

    def prepare_resume(
        self,
        run: str,
        decisions: Mapping[str, Any],
        *,
        runs: RunStore | None = None,
        deps: Mapping[str, Any] | None = None,
        streaming: bool = False,
        number: int | None = None,
    ) -> Call[Any]:
        """Put the rest of a turn together that waits for decisions; nothing is sent yet.

        With `number` the decisions are about that round, and no other.
        """
        from declarai_like._calls.tool_use import resumed_rounds

        prompt = self._system_prompt().fill({})
        request = self._make_request((), None, version_of(prompt.template), streaming=streaming)
        told = {name: value for name, value in (("runs", runs), ("deps", deps)) if value is not None}
        rounds = resumed_rounds(self._tools(), request, run, decisions, decided_round=number, **told)
        return self._make_call(request, {}, Conversation(self._session, self.greeting, prompt), rounds, as_events=False)

    def _make_request(
        self, messages: tuple[Message, ...], llm_params: Mapping[str, Any] | None, version: str, *, streaming: bool
    ) -> Request:
        declared = self.__chat__
        provider = declared.require_provider()
        return declared.options.request(
            provider,
            llm_params,
            streaming=streaming,
            messages=messages,
            response_format=declared.options.response_format(declared.output, provider),
            name=type(self).__name__,
            prompt_version=version,
            conversation=getattr(self._session.memory, "session_id", None),
            output=declared.output,
        )

    def _make_call(
        self,
        request: Request,
        arguments: Mapping[str, Any],
        conversation: Conversation,
        rounds: Rounds | None,
        *,
        as_events: bool,
    ) -> Call[Any]:
        options, output = self.__chat__.options, self.__chat__.output
        return Call(
            request,
            output,
            middlewares=build_stack(options, self, arguments),
            retries=options.retries,
            reask=partial(reask, output=output, templates=options.templates),
            as_events=as_events,
            conversation=conversation,
            rounds=rounds,
            stop_early=options.stops_early(output, streaming=request.stream, as_events=as_events),
            restarts=options.restarts and not as_events,
        )

    def _tools(self) -> ToolSettings | None:
        """Give what is said of tools, the methods of this instance that are tools among them."""
        declared = self.__chat__
        if not declared.tool_names:
            return declared.options.tools
        from declarai_like.tools.settings import ToolSettings

        settings = declared.options.tools or ToolSettings()
        return settings.with_more(getattr(self, name) for name in declared.tool_names)

    def _opening(self, system: str) -> list[Message]:
        """Write the system message: the prompt, and how the reply must look."""
        declared = self.__chat__
        options = declared.options
        instructions = output_instructions(
            declared.output, chat=True, templates=options.templates, shows_schema=options.shows_schema
        )
        text = "\n".join(filter(None, [system, instructions]))
        return [Message(text, MessageRole.system)] if text else []

    def _apply_window(self, history: list[Message], rest: list[Message]) -> list[Message]:
        """Leave out what the window would, if it can tell without asking a model."""
        window = self._session.window
        if window is None:
            return history
        try:
            next(window.fit(history, rest, dict(self._session.notes)))
        except StopIteration as done:
            history = done.value
        return history

    @cached_property
    def _session(self) -> ChatState:
        declared = self.__chat__
        return ChatState(InMemoryMessageHistory(), declared.keep_partial, declared.window)

    def _system_prompt(self) -> SystemPrompt:
        """Give the system prompt as it was written, with what the instance knows of its values."""
        own = self._session.system
        template = self.__chat__.system if own is None else own
        return SystemPrompt(template, self, self.__chat__, self._session.prompts.last)
