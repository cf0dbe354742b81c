"""No key in a log: what the libraries below write about a request is redacted before anybody sees it.

At DEBUG the HTTP library writes the headers of each answer, and a server may repeat the key in them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from declarai_like.providers.base import Secret

# Filters hold for the records of their own logger only, not for those of the loggers below it.
_PARTS = ("connection", "http11", "http2", "proxy", "socks")
_LOGGERS = (
    "openai._base_client",
    "httpx",
    "httpx2",
    "hpack.hpack",
    "mcp.client.streamable_http",
    *(f"{library}.{part}" for library in ("httpcore", "httpcore2") for part in _PARTS),
)


class _Redacting(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._secrets: dict[int, tuple[ref[Any], tuple[Secret, ...]]] = {}

    def add(self, secrets: tuple[Secret, ...], owner: Any) -> None:
        """Redact keys for as long as their owner lives: the keys of yesterday's tenants are nobody's any more."""
        place = id(owner)
        self._secrets[place] = ref(owner, lambda gone: self._drop(place, gone)), secrets

    def _drop(self, place: int, gone: ref[Any]) -> None:
        if (entry := self._secrets.get(place)) is not None and entry[0] is gone:  # else another has its place by now
            del self._secrets[place]

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if (text := self._redact(message)) != message:
            record.msg, record.args = text, None
        if record.exc_info and record.exc_info[0] is not None:
            trace = _FORMATTER.formatException(record.exc_info)
            if (text := self._redact(trace)) != trace:
                record.exc_info, record.exc_text = None, text
        return True

    def _redact(self, text: str) -> str:
        # The longest first: the rest of a key that begins as another one does would be left standing.
        known = [secret for _, secrets in list(self._secrets.values()) for secret in secrets]
        for secret in sorted(known, key=len, reverse=True):
            text = secret.redact(text)
        return text


_FORMATTER = logging.Formatter()
_FILTER = _Redacting()


def keep_out(owner: Any, *secrets: Secret) -> None:
    """Have keys blanked out in all that the libraries below write, for as long as their owner lives."""
    _FILTER.add(secrets, owner)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
