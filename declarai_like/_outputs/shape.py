"""One node of a type: how it is shown while its JSON arrives, coerced and validated when it has closed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from declarai_like._outputs.explanations import describe_error, describe_path
from declarai_like._outputs.plain_data import Number, dump
from declarai_like._outputs.refusals import Refused, Repairs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Shape"]


def _keep(data: Any, _: Repairs) -> Any:
    """Change nothing."""
    return data


class Shape:
    """One node of a type.

    `opens` says what to do at a bracket, `grows` whether a string is shown before it has closed,
    `text` whether any string is valid as it is, `composable` whether an object or array is valid
    when its children are. `contextual` is a validator that wants to see the fields before it.
    `coerce` changes plain data into what the type wants, as far as a person would read it so.
    `text_fits` is whether it takes any string, if only among others.
    """

    __slots__ = (
        "_bounds",
        "_compile",
        "_validate",
        "coerce",
        "composable",
        "contextual",
        "grows",
        "opens",
        "record",
        "text",
        "text_fits",
    )

    def __init__(self, compile_validator: Callable[[], Callable[..., Any]]) -> None:
        self.validate_with(compile_validator)
        self._bounds: tuple[int, int | None] = (0, None)
        self.opens: Mapping[str, Callable[[Shape], Any]] = {}
        self.grows = self.text = self.text_fits = self.contextual = False
        self.composable = True
        self.coerce: Callable[[Any, Repairs], Any] = _keep
        self.record: Callable[[], Any] | None = None

    def within(self, compile_validator: Callable[[], Callable[..., Any]]) -> Shape:
        """Return the same, validated by a node that stands around it."""
        outer = copy.copy(self)
        outer.validate_with(compile_validator)
        return outer

    def validate_with(self, compile_validator: Callable[[], Callable[..., Any]]) -> None:
        """Build the validator with this when it is first needed."""
        self._compile = compile_validator
        self._validate: Callable[..., Any] | None = None

    def limit(self, least: int | None, most: int | None) -> None:
        """Let it hold from `least` to `most` children."""
        self._bounds = (least or 0, most)

    def holds(self, count: int) -> bool:
        """Whether so many valid children make it valid."""
        least, most = self._bounds
        return self.composable and least <= count and (most is None or count <= most)

    def validated(self, data: Any, *, strict: bool | None = None) -> tuple[Any, bool]:
        """Validate plain data as it stands; give the value and `True`, or anything and `False`."""
        if self._validate is None:
            self._validate = self._compile()
        try:
            return self._validate(str(data) if type(data) is Number else dump(data), strict=strict), True
        except Exception:  # also a user's validator: the whole text's own reading reports it
            return None, False

    def accepts(self, data: Any) -> bool:
        """Whether plain data is valid as it stands."""
        return self.validated(data)[1]

    def read(self, data: Any) -> tuple[Any, bool]:
        """Validate plain data, coerced if need be; give the value and `True`, or anything and `False`."""
        value, is_valid = self.validated(data, strict=True)
        if is_valid:
            return value, True
        try:
            coerced = self.coerce(data, Repairs())
        except Refused:
            return None, False
        return self.validated(coerced)

    def complaint(self, data: Any, place: tuple[int | str, ...]) -> str:
        """Say what is wrong with plain data that `read` refuses; `place` is its path."""
        try:
            (self._validate or self._compile())(dump(self.coerce(data, Repairs())))
        except Refused as refusal:
            return f"{describe_path(place)}{refusal}"
        except Exception as error:  # also a user's own validator
            return describe_error(error, place)
        return f"{describe_path(place)}not of its type"

    def read_closed(self, data: Any, composed: Any) -> tuple[Any, bool]:
        """Read an object or array that has closed; what was shown of it stays if it is not valid."""
        value, is_valid = self.read(data)
        return (value, True) if is_valid else (composed, False)
