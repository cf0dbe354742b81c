"""What the coercions of a type have in common: the repairs that they name, and the refusal of what is unclear."""

from __future__ import annotations

__all__ = ["Refused", "Repairs"]


class Refused(Exception):
    """Why data is not taken for a type; `path` leads to it from the outside."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[int | str] = []

    def within(self, key: int | str) -> Refused:
        """Give the same, seen from outside."""
        self.path.insert(0, key)
        return self

    def __str__(self) -> str:
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).removeprefix(".")
        return f"{steps}: {self.reason}" if steps else self.reason


class Repairs:
    """The names of what was repaired, in order.

    `is_bare` says that the data is a text that was no JSON, `is_scalar` that a number or a truth is all that is wanted.
    """

    __slots__ = ("is_bare", "is_scalar", "names")

    def __init__(self, *, is_bare: bool = False, is_scalar: bool = False) -> None:
        self.names: dict[str, None] = {}
        self.is_bare = is_bare
        self.is_scalar = is_scalar

    def note(self, name: str) -> None:
        """Name a repair."""
        self.names[name] = None
