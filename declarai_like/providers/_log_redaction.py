"""No key in a log: what the libraries below write about a request is redacted before anybody sees it.

At DEBUG the HTTP library writes the headers of each answer, and a server may repeat the key in them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from declarai_like.providers.base import Secret

# Filters hold for the records of their own logger only, not for those of the loggers below it.
_PARTS = ("connection", "http11", "http2", "proxy", "socks")
_LOGGERS = (
    "openai._base_client",
    "httpx",
    "httpx2",
    "hpack.hpack",
    *(f"{library}.{part}" for library in ("httpcore", "httpcore2") for part in _PARTS),
)


class _Redacting(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[str, Secret] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if (text := self._redacted(said)) != said:
            record.msg, record.args = text, None
        if record.exc_info and record.exc_info[0] is not None:
            told = _FORMATTER.formatException(record.exc_info)
            if (text := self._redacted(told)) != told:
                record.exc_info, record.exc_text = None, text
        return True

    def _redacted(self, text: str) -> str:
        for secret in list(self.secrets.values()):
            text = secret.redact(text)
        return text


_FORMATTER = logging.Formatter()
_FILTER = _Redacting()


def keep_out(secret: Secret) -> None:
    """Have this key blanked out in all that the libraries below write from now on."""
    known = {**_FILTER.secrets, secret.reveal(): secret}
    # The longest first: the rest of a key that begins as another one does would be left standing.
    _FILTER.secrets = dict(sorted(known.items(), key=lambda pair: -len(pair[0])))
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
