"""A function read once, at its declaration: how it is called, what it returns, what it tells the model."""

from __future__ import annotations

import inspect
import re
import typing
from dataclasses import dataclass, replace
from functools import cached_property
from types import FunctionType, GenericAlias, SimpleNamespace
from typing import TYPE_CHECKING, Any

from declarai_like._prompting.binding import POSITIONAL, has_default, is_variadic, make_binder
from declarai_like._prompting.docstrings import parse_docstring
from declarai_like._prompting.magic import read_magic
from declarai_like._prompting.media_parameters import MediaParameter, media_parameter, resolve
from declarai_like._prompting.namespaces import local_names
from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType

    from declarai_like._prompting.docstrings import Docstring
    from declarai_like._prompting.magic import Magic

__all__ = ["Signature"]

_MISSING: Any = object()
_BOUND = frozenset({"self", "cls"})


@dataclass(frozen=True, eq=False)
class Signature:
    """What a declaration says; built by `Signature.of`, never changed.

    `where` names the function for error messages, as in `rank (app.py:12)`. `signature` leaves out the
    `self` or `cls` of a method, which `is_method` tells. `doc` is the docstring with the words of
    `magic()` laid over it.
    """

    name: str
    qualname: str
    module: str
    where: str
    function: Callable[..., Any]
    signature: inspect.Signature
    is_method: bool
    is_async: bool
    doc: Docstring
    magic: Magic | None
    local_names: Mapping[str, Any]

    @classmethod
    def of(cls, function: Any) -> Signature:
        """Read a function, plain or async, or what `staticmethod` and `classmethod` make of it.

        Raises `DefinitionError` for anything else, and for a description of a parameter that the
        function does not have.
        """
        function = getattr(function, "__func__", function)
        inner = inspect.unwrap(function)
        if not isinstance(inner, FunctionType):
            raise DefinitionError(f"expected a function to make a task of, got {function!r}")
        where = _where(function, inner.__code__)
        spoken = read_magic(inner)
        whole = inspect.signature(function)
        signature = _without_self(whole)
        result = cls(
            name=function.__name__,
            qualname=function.__qualname__,
            module=function.__module__,
            where=where,
            function=function,
            signature=signature,
            is_method=len(signature.parameters) < len(whole.parameters),
            is_async=inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner),
            doc=_merged(parse_docstring(function.__doc__, function.__name__), spoken),
            magic=spoken,
            local_names=local_names(inner),
        )
        result._check_descriptions()
        return result

    @property
    def return_name(self) -> str | None:
        """The key of the answer, if `magic("name", ...)` or `:return name:` names one."""
        return self.doc.return_name

    @property
    def return_description(self) -> str:
        """What the docstring or `magic()` says of the result; empty if nothing."""
        return self.doc.returns

    @cached_property
    def annotation(self) -> Any:
        """The return type with its names resolved; `inspect.Parameter.empty` if there is none.

        Names are looked up when first asked for. Raises `DefinitionError` for one that is not there.
        """
        annotation = self.signature.return_annotation
        if annotation is inspect.Signature.empty:
            return inspect.Parameter.empty
        inner = inspect.unwrap(self.function)
        try:
            holder = SimpleNamespace(__annotations__={"return": with_references(annotation)})
            hints = typing.get_type_hints(holder, inner.__globals__, dict(self.local_names), include_extras=True)
        except (NameError, AttributeError, SyntaxError, TypeError) as exc:
            raise DefinitionError(f"{self.where}: the return type {annotation!r} cannot be resolved: {exc}").with_cause(
                exc
            ) from None
        return hints["return"]

    @cached_property
    def media(self) -> Mapping[str, MediaParameter]:
        """The parameters that take media; raises `DefinitionError` for one that takes other things too."""
        found: dict[str, MediaParameter] = {}
        names = inspect.unwrap(self.function).__globals__
        for name, parameter in self.signature.parameters.items():
            place = f"{self.where}: {name!r}"
            told = media_parameter(resolve(parameter, names, self.local_names), place)
            if told is None:
                continue
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                raise DefinitionError(f"{place}: media cannot be given by any name: declare each parameter, or a list")
            is_variadic = parameter.kind is inspect.Parameter.VAR_POSITIONAL
            found[name] = told._replace(
                takes_several=told.takes_several or is_variadic,
                takes_none=told.takes_none or parameter.default is None,
            )
        return found

    @property
    def owner(self) -> str | None:
        """The name of the object that this is a method of, `self` or `cls`; `None` for a function."""
        return next(iter(inspect.signature(self.function).parameters)) if self.is_method else None

    @property
    def variadic(self) -> frozenset[str]:
        """The names of `*args` and `**kwargs`."""
        return frozenset(name for name, parameter in self.signature.parameters.items() if is_variadic(parameter))

    @property
    def takes_any_name(self) -> bool:
        """Whether the function has a `**kwargs`."""
        return any(p.kind is inspect.Parameter.VAR_KEYWORD for p in self.signature.parameters.values())

    def takes(self, name: str) -> bool:
        """Tell whether the function itself declares a parameter of this name."""
        parameter = self.signature.parameters.get(name)
        return parameter is not None and parameter.kind is not inspect.Parameter.VAR_KEYWORD

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Give each parameter its value, defaults included; raises the `TypeError` that Python would."""
        return self._binder(*args, **kwargs)

    def bind_partial(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Do as `bind` does, but leave out the parameters that have neither value nor default."""
        values = self._partial_binder(*args, **kwargs)
        return {name: value for name, value in values.items() if value is not _MISSING}

    @cached_property
    def _binder(self) -> Callable[..., dict[str, Any]]:
        return make_binder(self.signature, self.qualname)

    @cached_property
    def _partial_binder(self) -> Callable[..., dict[str, Any]]:
        named = [
            parameter if is_variadic(parameter) or has_default(parameter) else parameter.replace(default=_MISSING)
            for parameter in self.signature.parameters.values()
        ]
        return make_binder(self.signature.replace(parameters=named), self.qualname)

    def _check_descriptions(self) -> None:
        parameters = self.signature.parameters
        if self.takes_any_name:
            return
        for name in self.doc.params:
            if name not in parameters and name not in _BOUND:
                raise DefinitionError(
                    f"{self.where}: {name!r} is described but is no parameter; "
                    f"the parameters are: {', '.join(parameters) or 'none'}"
                )


def _where(function: Any, code: CodeType) -> str:
    name = function.__qualname__.rpartition("<locals>.")[2]
    file = re.split(r"[/\\]", code.co_filename)[-1]
    return f"{name} ({file}:{code.co_firstlineno})"


def _without_self(signature: inspect.Signature) -> inspect.Signature:
    parameters = list(signature.parameters.values())
    if parameters and parameters[0].name in _BOUND and parameters[0].kind in POSITIONAL:
        return signature.replace(parameters=parameters[1:])
    return signature


def with_references(annotation: Any) -> Any:
    """Mark the names in `list["Pet"]` as references, as Python 3.10 does not."""
    if isinstance(annotation, str):
        return typing.ForwardRef(annotation)
    if isinstance(annotation, GenericAlias):
        origin: Any = annotation.__origin__
        return GenericAlias(origin, tuple(map(with_references, annotation.__args__)))
    return annotation


def _merged(doc: Docstring, spoken: Magic | None) -> Docstring:
    """Lay what `magic()` says over the docstring."""
    if spoken is None:
        return doc
    return replace(
        doc,
        text=spoken.description or doc.text,
        params={**doc.params, **spoken.params},
        returns=spoken.returns or doc.returns,
        return_name=spoken.name or doc.return_name,
    )
