"""Classes as prompts: a pydantic model whose fields fill a template, and which asks a model.

class Recipe(llm.Prompt):
    "Recommend recipes that use {ingredient} as an ingredient"
    ingredient: str

Recipe(ingredient="apples").call().response
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from inspect import cleandoc, currentframe
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict
from weakref import WeakValueDictionary

from pydantic import BaseModel, create_model

from declarai_like._calls import runner
from declarai_like._calls.options import Options
from declarai_like._outputs.output import Output
from declarai_like._prompting.bodies import check_class_body
from declarai_like._prompting.instructions import output_instructions
from declarai_like._prompting.media_places import MediaPlaces
from declarai_like._prompting.text_templates import check_text, render_text, text_names
from declarai_like.errors import DeclaraiError, DefinitionError
from declarai_like.media import Media
from declarai_like.messages import Message, MessageRole
from declarai_like.streams import AsyncStream, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Sequence

    from pydantic import ConfigDict
    from typing_extensions import Unpack

    from declarai_like._calls.flow import Call
    from declarai_like._direct import Direct
    from declarai_like.requests import Request
    from declarai_like.responses import LLMResponse
    from declarai_like.tools.settings import ToolSettings

__all__ = ["CallParams", "Prompt"]

_NOT_FIELDS = frozenset({"prompt_template", "system", "call_params", "output_type", "llm", "messages"})


class CallParams(TypedDict, total=False):
    """The model's parameters by their usual names; a prompt's `call_params` may hold others too."""

    model: str
    temperature: float
    top_p: float
    max_tokens: int
    max_completion_tokens: int
    n: int
    stop: str | list[str]
    seed: int
    presence_penalty: float
    frequency_penalty: float
    logit_bias: Mapping[str, int]
    logprobs: bool
    top_logprobs: int
    tools: Sequence[Any]
    tool_choice: Any
    max_rounds: int
    parallel: int
    at_limit: Literal["error", "answer"]
    tool_errors: Literal["show", "raise"]
    tool_mode: Literal["auto", "native", "emulated"]
    max_result_chars: int
    approver: Callable[..., Any]
    deps: Mapping[str, Any]
    parallel_tool_calls: bool
    reasoning_effort: str
    verbosity: Literal["low", "medium", "high"]
    service_tier: str
    store: bool
    metadata: Mapping[str, str]
    user: str


@dataclass(frozen=True, slots=True)
class PromptDeclaration:
    """What a prompt class says, checked when it is defined."""

    where: str
    text: str
    system: str
    variables: frozenset[str]
    output: Output[Any]


class Prompt(BaseModel):
    """A prompt as a class: derive from `llm.Prompt`, or from this one with `llm=`.

    The text is `prompt_template`, else the nearest docstring. Fields, computed fields and properties stand in it as
    `{name}`, or as `{{ name }}` in Jinja; they are written as plain data. Fields that are media (`photo: Image`) are
    sent in any case, behind the text if it does not name them. `system` is a text of the same kind.
    `call_params` are the model's parameters (`model` too), laid over those of the `llm`; `output_type` is what the
    answer is read as. None of these is a field: they take no annotation. A class that cannot work raises
    `DefinitionError` where it is defined.
    """

    prompt_template: ClassVar[str] = ""
    system: ClassVar[str] = ""
    call_params: ClassVar[Mapping[str, Any]] = {}
    output_type: ClassVar[Any] = str
    llm: ClassVar[Any] = None
    __prompt__: ClassVar[PromptDeclaration] = PromptDeclaration("Prompt", "", "", frozenset(), Output.of(str))

    def __init_subclass__(cls, *, llm: Direct | None = None, **config: Unpack[ConfigDict]) -> None:
        """Take `llm=` from the class statement; `config` is pydantic's."""
        super().__init_subclass__(**config)
        if llm is not None:
            cls.llm = llm

    @classmethod
    def __pydantic_init_subclass__(cls, *, llm: Direct | None = None, **config: Any) -> None:
        """Check the declaration, now that pydantic knows the fields."""
        super().__pydantic_init_subclass__(**config)
        cls.__prompt__ = _read_class(cls)

    def messages(self) -> Sequence[Message | Mapping[str, Any]]:
        """Write the messages to send; override it for a conversation of your own."""
        declaration = self.__prompt__
        if not declaration.text:
            raise DefinitionError(
                f"{declaration.where}: there is nothing to ask; write a docstring, a prompt_template, or messages()"
            )
        places = self._place_media()
        text = self._fill(declaration.text, places)
        message = Message(text) if places is None else places.message(text)
        if not message.message.strip():
            raise DeclaraiError(f"{declaration.where}: these fields make an empty prompt; nothing was sent")
        system = self._fill(declaration.system, places)
        if places is not None:
            places.refuse_in(system, declaration.where)
        return [*([Message(system, MessageRole.system)] if system else []), message]

    def compile(self) -> dict[str, list[Message]]:
        """Give the messages that would be sent, with what tells the model the output type."""
        return {"messages": self._full_messages()}

    def request(self, **params: Unpack[CallParams]) -> Request:
        """Give exactly what `call` would send, without sending it."""
        request, settings = self._request(params)
        return self._require_llm().prepare_call(request, self.__prompt__.output, settings).first_request

    def call(self, **params: Unpack[CallParams]) -> LLMResponse:
        """Ask and give the answer, its value as `parsed`; `params` are laid over `call_params`.

        A refusal is told by the response. Raises `OutputError` if the answer is not of the output type.
        """
        return runner.run(self._call(params)).response

    async def acall(self, **params: Unpack[CallParams]) -> LLMResponse:
        """Do what `call` does, in an event loop."""
        return (await runner.arun(self._call(params))).response

    def stream(self, **params: Unpack[CallParams]) -> Generator[LLMResponse, None, None]:
        """Ask and give the growing answer; the request is sent when the generator is first read."""
        return runner.stream(self._call(params, streaming=True))

    def astream(self, **params: Unpack[CallParams]) -> AsyncGenerator[LLMResponse, None]:
        """Do what `stream` does, in an event loop; also called `async_stream` and `stream_async`."""
        return runner.astream(self._call(params, streaming=True))

    async_stream = stream_async = astream

    def events(self, **params: Unpack[CallParams]) -> Stream[Any]:
        """Give the answer as a stream of events, to be entered with `with`; nothing is sent before."""
        request, settings = self._request(params, streaming=True)
        return Stream(lambda: self._prepare(request, settings, as_events=True))

    def aevents(self, **params: Unpack[CallParams]) -> AsyncStream[Any]:
        """Do what `events` does, in an event loop; to be entered with `async with`."""
        request, settings = self._request(params, streaming=True)
        return AsyncStream(lambda: self._prepare(request, settings, as_events=True))

    def _call(self, params: CallParams, *, streaming: bool = False) -> Call[Any]:
        return self._prepare(*self._request(params, streaming=streaming))

    def _prepare(self, request: Request, tools: ToolSettings | None, *, as_events: bool = False) -> Call[Any]:
        return self._require_llm().prepare_call(request, self.__prompt__.output, tools, as_events=as_events)

    def _request(self, params: CallParams, *, streaming: bool = False) -> tuple[Request, ToolSettings | None]:
        """Give the request, and the tools that are run for it."""
        llm, output = self._require_llm(), self.__prompt__.output
        told: dict[str, Any] = {**self.call_params, **params}
        model, tools = told.pop("model", None), told.pop("tools", None)
        settings, schemas, params_told = llm.part_tools(tools or (), told)
        request = llm.options.request(llm.llm, params_told, model=model, streaming=streaming).replace(
            messages=tuple(self._full_messages()),
            response_format=llm.options.response_format(output, llm.llm),
            tools=tuple(schemas),
            name=type(self).__name__,
        )
        return request, settings

    def _require_llm(self) -> Direct:
        llm: Direct | None = self.llm
        if llm is None:
            name = type(self).__name__
            raise DefinitionError(
                f"{self.__prompt__.where}: there is no model to ask; write `class {name}(llm.Prompt)`, "
                f"or `class {name}(Prompt, llm=llm)`"
            )
        return llm

    def _full_messages(self) -> list[Message]:
        """Give the messages, with the words for the output type at the end of the system's."""
        declaration, llm = self.__prompt__, self.llm
        messages = [Message.of(message) for message in self.messages()]
        if not messages:
            raise DeclaraiError(f"{declaration.where}: messages() gave no message; nothing was sent")
        first = messages[0]
        leads = first.role == MessageRole.system and not first.fields
        options = Options() if llm is None else llm.options
        words = output_instructions(
            declaration.output, chat=leads, templates=options.templates, shows_schema=options.shows_schema
        )
        if words and leads:
            return [replace(first, message=f"{first.message}\n{words}"), *messages[1:]]
        return [Message(words, MessageRole.system), *messages] if words else messages

    def _fill(self, text: str, places: MediaPlaces | None) -> str:
        """Fill a text with those attributes that it names."""
        where, variables = self.__prompt__.where, self.__prompt__.variables
        values = {name: getattr(self, name) for name in text_names(text, where, variables) & variables}
        marks = {} if places is None else {name: mark for name, mark in places.marks.items() if name in values}
        return render_text(text, {**values, **marks}, where=where, owner=self)

    def _place_media(self) -> MediaPlaces | None:
        """Put a mark in the place of each field that is media; those that the text does not name stand at its end."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        media = {name: value for name, value in values.items() if _is_media(value)}
        return MediaPlaces(media) if media else None


_bases: WeakValueDictionary[int, type[Prompt]] = WeakValueDictionary()
"""The base of each model's prompts, by the model's `id`: a base keeps its model alive, so the `id` is its own."""


def prompt_base(llm: Direct) -> type[Prompt]:
    """Give the base class of the prompts that ask this model, always the same one."""
    base = _bases.get(id(llm))
    if base is None:
        made = create_model("Prompt", __base__=Prompt, __module__=__name__, __cls_kwargs__={"llm": llm})
        base = _bases.setdefault(id(llm), made)
    return base


def _is_media(value: Any) -> bool:
    """Say whether this is media, or a list of them."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(each, Media) for each in value)
    return isinstance(value, Media)


def _read_class(cls: type[Prompt]) -> PromptDeclaration:
    """Read and check a prompt class; raises `DefinitionError`."""
    where = _where(cls)
    if taken := sorted(_NOT_FIELDS.intersection(cls.model_fields)):
        raise DefinitionError(
            f"{where}: {taken[0]!r} cannot be a field; leave out its annotation, or give the field another name"
        )
    for name, expected in (("prompt_template", str), ("system", str), ("call_params", Mapping)):
        if not isinstance(getattr(cls, name), expected):
            raise DefinitionError(f"{where}: expected {name} to be a {expected.__name__}, got {getattr(cls, name)!r}")
    variables = _variables(cls)
    text, system = cleandoc(cls.prompt_template or _docstring(cls)), cleandoc(cls.system)
    for source in (text, system):
        check_text(source, sorted(variables), where)
    return PromptDeclaration(where, text, system, variables, Output.of(cls.output_type, where=where))


def _where(cls: type[Prompt]) -> str:
    """Name a class and the place that is defining it just now, as in `Recipe (app.py:12)`."""
    name = cls.__qualname__.rpartition("<locals>.")[2]
    frame: Any = currentframe()  # a class, unlike a function, does not know its line
    while frame.f_back is not None and frame.f_globals.get("__name__") != cls.__module__:
        frame = frame.f_back
    file = re.split(r"[/\\]", frame.f_code.co_filename)[-1]
    return f"{name} ({file}:{frame.f_lineno})"


def _docstring(cls: type[Prompt]) -> str:
    """Give the nearest docstring of a class; pydantic's and ours are no prompts."""
    own = (base.__doc__ for base in cls.__mro__ if issubclass(base, Prompt) and base is not Prompt)
    if not cls.__doc__ and not cls.prompt_template:
        check_class_body(cls, _where(cls))
    return next(filter(None, own), "")


def _variables(cls: type[Prompt]) -> frozenset[str]:
    """Give what a template may name: fields, computed fields and properties."""
    members = (member for base in cls.__mro__ if not issubclass(Prompt, base) for member in vars(base).items())
    properties = (name for name, value in members if isinstance(value, property | cached_property))
    return frozenset({*cls.model_fields, *properties})
