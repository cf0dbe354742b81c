"""Asking a model without declaring a task: messages in, an answer or a stream of it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from declarai_like._calls import runner
from declarai_like._calls.flow import Call
from declarai_like._calls.option_rules import TOOL_OPTIONS
from declarai_like._outputs.output import Output
from declarai_like.messages import Message
from declarai_like.middleware.base import build_stack

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Sequence

    from declarai_like._calls.options import Options
    from declarai_like.providers.base import Provider
    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse
    from declarai_like.streams import AsyncStream, Stream
    from declarai_like.tools.settings import ToolSettings

T = TypeVar("T")


class Direct:
    """The calls of a provider itself. Parameters that are not named here go to the model as they are."""

    llm: Provider
    options: Options

    def send(
        self,
        messages: str | Iterable[Message | Mapping[str, Any]],
        *,
        output_type: Any = str,
        tools: Sequence[Any] = (),
        model: str | None = None,
        **params: Any,
    ) -> LLMResponse:
        """Send messages and give the answer; with an `output_type`, `parsed` is its value.

        `messages` are a text, or messages in our form or the wire's; `tools` are functions and
        tasks, which are run for the model (the options of tools are taken too), or raw schemas, whose calls come back
        as `tool_calls`. A refusal is told by the response; raises `OutputError` if the answer is not of its
        type.
        """
        return runner.run(self._ask(messages, output_type, tools, model, params)).response

    async def asend(
        self,
        messages: str | Iterable[Message | Mapping[str, Any]],
        *,
        output_type: Any = str,
        tools: Sequence[Any] = (),
        model: str | None = None,
        **params: Any,
    ) -> LLMResponse:
        """Do what `send` does, in an event loop."""
        return (await runner.arun(self._ask(messages, output_type, tools, model, params))).response

    @overload
    def stream(
        self,
        messages: str | Iterable[Message | Mapping[str, Any]] = (),
        *,
        prompt: str | list[str] | None = None,
        output_type: type[T],
        tools: Sequence[Any] = (),
        model: str | None = None,
        **params: Any,
    ) -> Stream[T]: ...
    @overload
    def stream(
        self,
        messages: str | Iterable[Message | Mapping[str, Any]] = (),
        *,
        prompt: str | list[str] | None = None,
        tools: Sequence[Any] = (),
        model: str | None = None,
        **params: Any,
    ) -> Stream[str]: ...
    def stream(
        self,
        messages: str | Iterable[Message | Mapping[str, Any]] = (),
        *,
        prompt: str | list[str] | None = None,
        output_type: Any = str,
        tools: Sequence[Any] = (),
        model: str | None = None,
        **params: Any,
    ) -> Stream[Any]:
        """Give the answer to messages as a stream of events; the arguments are those of `send`.

        With `prompt=` in the place of messages it is the continuation of a text, on the provider's `/completions`.
        Nothing is sent before the stream is entered.
        """
        from declarai_like.streams import Stream

        return Stream(self._prepare_stream(messages, prompt, output_type, tools, model, params))

    @overload
    def astream(
        self,
        messages: str | Iterable[Message | Mapping[str, Any]] = (),
        *,
        prompt: str | list[str] | None = None,
        output_type: type[T],
        tools: Sequence[Any] = (),
        model: str | None = None,
        **params: Any,
    ) -> AsyncStream[T]: ...
    @overload
    def astream(
        self,
        messages: str | Iterable[Message | Mapping[str, Any]] = (),
        *,
        prompt: str | list[str] | None = None,
        tools: Sequence[Any] = (),
        model: str | None = None,
        **params: Any,
    ) -> AsyncStream[str]: ...
    def astream(
        self,
        messages: str | Iterable[Message | Mapping[str, Any]] = (),
        *,
        prompt: str | list[str] | None = None,
        output_type: Any = str,
        tools: Sequence[Any] = (),
        model: str | None = None,
        **params: Any,
    ) -> AsyncStream[Any]:
        """Do what `stream` does, in an event loop."""
        from declarai_like.streams import AsyncStream

        return AsyncStream(self._prepare_stream(messages, prompt, output_type, tools, model, params))

    @overload
    def complete(
        self, prompt: str | list[str], *, streaming: Literal[False] = False, model: str | None = None, **params: Any
    ) -> LLMResponse: ...
    @overload
    def complete(
        self, prompt: str | list[str], *, streaming: Literal[True], model: str | None = None, **params: Any
    ) -> Generator[LLMResponse, None, None]: ...
    def complete(
        self, prompt: str | list[str], *, streaming: bool = False, model: str | None = None, **params: Any
    ) -> Any:
        """Continue a text, on the provider's `/completions`; `streaming=True` gives a generator of responses."""
        call = self.prepare_completion(prompt, model, params, streaming=streaming)
        return runner.stream(call) if streaming else runner.run(call).response

    @overload
    def acomplete(
        self, prompt: str | list[str], *, streaming: Literal[False] = False, model: str | None = None, **params: Any
    ) -> Coroutine[Any, Any, LLMResponse]: ...
    @overload
    def acomplete(
        self, prompt: str | list[str], *, streaming: Literal[True], model: str | None = None, **params: Any
    ) -> AsyncGenerator[LLMResponse, None]: ...
    def acomplete(
        self, prompt: str | list[str], *, streaming: bool = False, model: str | None = None, **params: Any
    ) -> Any:
        """Do what `complete` does, in an event loop: await it, or iterate it when it streams."""
        call = self.prepare_completion(prompt, model, params, streaming=streaming)
        return runner.astream(call) if streaming else _await_response(call)

    def _ask(
        self,
        messages: str | Iterable[Message | Mapping[str, Any]],
        output_type: Any,
        tools: Sequence[Any],
        model: str | None,
        params: Mapping[str, Any],
    ) -> Call[Any]:
        settings, schemas, params = self.part_tools(tools, params)
        return self.prepare_call(*self.build_request(messages, output_type, schemas, model, params), settings)

    def build_request(
        self,
        messages: str | Iterable[Message | Mapping[str, Any]],
        output_type: Any,
        tools: Sequence[Mapping[str, Any]],
        model: str | None,
        params: Mapping[str, Any],
        *,
        streaming: bool = False,
    ) -> tuple[Request, Output[Any]]:
        """Check the arguments, and give the request with what its answer is read by; nothing is sent yet."""
        listed = [Message(messages)] if isinstance(messages, str) else list(messages)
        if not listed:
            raise TypeError("expected messages, got none: give a text, or messages of a role and a text")
        output: Output[Any] = Output.of(output_type, where="output_type")
        request = self._request(params, model=model, streaming=streaming).replace(
            messages=tuple(map(Message.of, listed)),
            response_format=self.options.response_format(output, self.llm),
            tools=tuple(tools),
        )
        return request, output

    def _prepare_stream(  # noqa: PLR0917 - the arguments of two callers, as they came
        self,
        messages: str | Iterable[Message | Mapping[str, Any]],
        prompt: str | list[str] | None,
        output_type: Any,
        tools: Sequence[Any],
        model: str | None,
        params: Mapping[str, Any],
    ) -> Callable[[], Call[Any]]:
        """Check the arguments of a stream now, and make a call of them each time it is entered."""
        if prompt is None:
            settings, schemas, params = self.part_tools(tools, params)
            request, output = self.build_request(messages, output_type, schemas, model, params, streaming=True)
            self.prepare_call(request, output, settings)
            return lambda: self.prepare_call(request, output, settings, as_events=True)
        if messages or tools or output_type is not str:
            raise TypeError("prompt= continues a text: it goes with no messages, no tools and no output_type")
        return lambda: self.prepare_completion(prompt, model, params, streaming=True, as_events=True)

    def prepare_completion(
        self,
        prompt: str | list[str],
        model: str | None,
        params: Mapping[str, Any],
        *,
        streaming: bool,
        as_events: bool = False,
    ) -> Call[Any]:
        """Put the continuation of a text together, to be made by somebody else; nothing is sent yet."""
        request = self._request(params, model=model, streaming=streaming).replace(kind="completion", prompt=prompt)
        return self.prepare_call(request, Output.of(str), as_events=as_events)

    def _request(self, params: Mapping[str, Any], *, model: str | None = None, streaming: bool) -> Request:
        return self.options.request(self.llm, params, model=model, streaming=streaming)

    def prepare_call(
        self, request: Request, output: Output[Any], tools: ToolSettings | None = None, *, as_events: bool = False
    ) -> Call[Any]:
        """Put the call of a request together, to be made by somebody else; `tools` are run by us."""
        rounds = None
        if tools is not None:
            from declarai_like._calls.tool_use import use_tools

            request, rounds = use_tools(tools, request)
        return Call(
            request.replace(output=output),
            output,
            middlewares=build_stack(self.options, self, {}),
            as_events=as_events,
            returns_refusals=True,
            rounds=rounds,
        )

    def part_tools(
        self, tools: Sequence[Any], params: Mapping[str, Any]
    ) -> tuple[ToolSettings | None, Sequence[Mapping[str, Any]], Mapping[str, Any]]:
        """Part tools that we run, with what is said of them among `params`, from raw schemas, which nobody runs."""
        known = self.options.tools
        if known is None and all(isinstance(tool, Mapping) for tool in tools):
            return None, tools, params
        told = {name: params[name] for name in TOOL_OPTIONS & params.keys()}
        settings = self.options.merge(**told, **({"tools": list(tools)} if tools else {})).tools
        return settings, (), {name: value for name, value in params.items() if name not in told}


async def _await_response(call: Call[Any]) -> LLMResponse:
    return (await runner.arun(call)).response
