"""What is wrong with an answer or a type, in the words of an error message."""

from __future__ import annotations

from declarai_like._outputs.refusals import Refused

__all__ = ["condense", "describe_error", "describe_path", "shorten"]

_LONGEST_REASON = 420
_MOST_ERRORS = 10
_MOST_SHOWN = 400


def describe_error(error: Exception, place: tuple[int | str, ...] = ()) -> str:
    """Tell each validation error with its path from `place`, or the error itself if it is another one."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return (
            str(error)
            if isinstance(error, Refused) or type(error) is ValueError
            else f"{type(error).__name__}: {error}"
        )
    errors = error.errors(include_url=False, include_context=False)
    told = [
        f"{describe_path((*place, *each['loc']))}{each['msg']} (got {each['input']!r:.80})"
        for each in errors[:_MOST_ERRORS]
    ]
    more = len(errors) - len(told)
    return "; ".join([*told, f"and {more} more"] if more else told)


def describe_path(loc: tuple[int | str, ...]) -> str:
    """Write a path, as `lines[2].city: `."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc)
    return f"{path.removeprefix('.')}: " if path else ""


def shorten(text: str) -> str:
    """Return the text for an error message, cut at a sensible length."""
    return repr(text) if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]!r}... ({len(text)} characters)"


def condense(error: Exception) -> str:
    """Give what an error says in one line, without the links below it."""
    lines = (line.strip() for line in str(error).splitlines())
    text = " ".join(line for line in lines if line and not line.startswith("For further information"))
    return text if len(text) <= _LONGEST_REASON else f"{text[:150]} ... {text[-250:]}"
