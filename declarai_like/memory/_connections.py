"""Addresses of servers, which may hold a password, and what their drivers say when something fails."""

from __future__ import annotations

import re
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from declarai_like.errors import ConfigurationError, HistoryError, MissingExtra
from declarai_like.memory._deadlines import broken_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CONNECT_TIMEOUT", "REPLY_TIMEOUT", "ConnectionString", "driver", "failures"]

CONNECT_TIMEOUT = 10  # seconds, where the connection string sets no other
REPLY_TIMEOUT = 30  # seconds for an operation, and less where a chat's timeout is
_MASK = "**********"
_LONGEST_REASON = 300
_PASSWORD_OPTION = re.compile(r"(?i)\w*pass\w*\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&]+)")


class ConnectionString:
    """A server's address that shows itself to nobody: not in a repr, an error, or a pickle.

    >>> ConnectionString("redis://:hunter2@localhost", "url")
    ConnectionString('**********')
    """

    __slots__ = ("_secrets", "_value")

    def __init__(self, value: object, argument: str) -> None:
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{argument} must be a text that is not empty, got {type(value).__name__}")
        self._value = value
        self._secrets = _secrets_of(value)

    def reveal(self) -> str:
        """Give the address itself, to the driver."""
        return self._value

    def __contains__(self, option: str) -> bool:
        """Whether the address sets an option by itself."""
        return option.lower() in self._value.lower()

    def redact(self, text: str) -> str:
        """Blank out every piece of the password, wherever a driver has put it."""
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text

    def __repr__(self) -> str:
        return f"ConnectionString('{_MASK}')"

    def __reduce__(self) -> Any:
        raise ConfigurationError(
            "a memory on a server is not pickled, for its address may hold a password: make it where it is used"
        )


def _secrets_of(value: str) -> list[str]:
    """Find what may be a password, also in an address so wrong that drivers cut it in odd places."""
    found = {match.strip("'") for match in _PASSWORD_OPTION.findall(value)}
    before_host = (value.partition("://")[2] or value).rpartition("@")[0]
    password = before_host.partition(":")[2]
    found.update((password, *re.split(r"[@:/?#]", password)))
    found.update([unquote(secret) for secret in found])
    return sorted(found - {""}, key=len, reverse=True)


@contextmanager
def failures(done: str, where: str, address: ConnectionString, *errors: type[Exception]) -> Iterator[None]:
    """Turn a driver's `errors` into a `HistoryError` that says what could not be `done`, and no password."""
    try:
        yield
    except errors as error:
        first_line = str(error).strip().partition("\n")[0]
        reason = address.redact(first_line)[:_LONGEST_REASON] or "the driver gives no reason"
        advice = broken_limit() or "; is the server up, and its address right?"
        raise HistoryError(f"{where} cannot be {done} ({type(error).__name__}: {reason}){advice}") from None


def driver(module: str, *, extra: str) -> Any:
    """Import a driver; raises `MissingExtra` that says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(f'this memory needs {module} ({error}): pip install "declarai-like[{extra}]"').with_cause(
            error
        ) from None
