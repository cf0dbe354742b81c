"""Calls that are planned now and made later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from declarai_like._prompting.code_flags import code_without_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType

    from declarai_like.messages import Message

__all__ = ["FutureTask", "Plannable"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Plannable(Protocol[R_co]):
    """A task, as far as a plan needs it."""

    __name__: str

    @property
    def __code__(self) -> CodeType:
        """The code that says what kind of function it is."""

    def __call__(self, *args: Any, **kwargs: Any) -> R_co:
        """Make the call."""

    def compile(self, *args: Any, **kwargs: Any) -> dict[str, list[Message]]:
        """Give the messages that would be sent."""


class FutureTask(Generic[R]):
    """A call that is planned: `plan()` makes it, as often as it is called.

    `task_kwargs` are the arguments that were given, by name.
    """

    __defaults__ = None  # it looks like a function too: see `BaseTask`
    __kwdefaults__ = None

    def __init__(
        self, task: Plannable[R], args: tuple[Any, ...], kwargs: Mapping[str, Any], by_name: Mapping[str, Any]
    ) -> None:
        self._task = task
        self._args = args
        self._kwargs = dict(kwargs)
        self._by_name = dict(by_name)
        self.__name__ = task.__name__
        self.__annotations__: dict[str, Any] = {}
        self.__code__ = code_without_arguments(task.__code__)

    def __call__(self) -> R:
        """Make the call with the planned arguments; gives what the task gives."""
        return self._task(*self._args, **self._kwargs)

    @property
    def task_kwargs(self) -> dict[str, Any]:
        """The arguments that were given, by name, `llm_params` among them."""
        return dict(self._by_name)

    @property
    def populated_prompt(self) -> dict[str, list[Message]]:
        """The messages that will be sent."""
        return self._task.compile(*self._args, **self._kwargs)

    @property
    def compiled_template(self) -> dict[str, list[Message]]:
        """The messages with `{name}` in the place of each argument."""
        return self._task.compile()

    def __repr__(self) -> str:
        return f"<FutureTask of {self._task!r}>"
