"""Addresses of media: which may be given, and how they are shown."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

from declarai_like.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Collection
    from urllib.parse import SplitResult

__all__ = ["check_address", "decode_data_url", "shown"]

_DATA_URL = re.compile(r"data:([^,]*?)(;base64)?,(.*)\Z", re.DOTALL)
_UNFIT = re.compile(r"[\s\\\x00-\x20\x7f]")


def check_address(address: str, allow_hosts: Collection[str]) -> SplitResult:
    """Split an address; raises `MediaError` for one that nobody is to be asked for.

    It is https, without user and password, in characters that all sides read alike; http if its host is allowed.
    """
    parts = _split(address)
    if parts is None or _UNFIT.search(address) or parts.scheme not in {"http", "https", "gs"} or not parts.hostname:
        raise MediaError(f"expected an address as 'https://host/name.png', got {address!r:.60}")
    if parts.username is not None or parts.password is not None:
        raise MediaError(f"expected an address without user and password, got one of {parts.hostname!r}")
    if parts.scheme == "http" and parts.hostname not in allow_hosts:
        raise MediaError(
            f"expected an https address, got {shown(address)}: "
            f"allow_hosts=[{parts.hostname!r}] allows http for this host"
        )
    return parts


def decode_data_url(address: str) -> tuple[bytes, str | None]:
    """Give the bytes of a `data:` URL, and the media type that it tells; raises `MediaError` if it cannot be read."""
    found = _DATA_URL.match(address)
    if found is None:
        raise MediaError(f"expected data as 'data:image/png;base64,...', got {address[:20]!r}...")
    kind, is_packed, text = found.groups()
    if not is_packed:
        return unquote_to_bytes(text), kind or None
    try:
        return b64decode(text, validate=True), kind or None
    except ValueError:
        raise MediaError(f"expected base 64 in a data: URL of {kind or 'no type'}, got what is none") from None


def shown(address: str) -> str:
    """Give an address as it may be shown: what stands behind a `?` often is a password to it.

    >>> shown("https://cdn.example/cat.png?signature=abc")
    'https://cdn.example/cat.png?...'
    """
    path, mark, _ = address.partition("?")
    return f"{path}?..." if mark else path


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        _ = parts.port  # which is read only now
    except ValueError:
        return None
    return parts
