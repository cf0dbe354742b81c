"""What nobody is to see: keys, passwords in addresses, headers that hold secrets; in every spelling of them."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from declarai_like.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = [
    "MASK",
    "address_secrets",
    "check_address",
    "client_secrets",
    "header_secrets",
    "is_secret_name",
    "public_address",
    "redactor_of",
]

MASK = "**********"
_SHORTEST = 4
"""A shorter secret is none, and blanking it out would blank out words."""
_SHORTEST_ENCODED = 8
_SECRET_WORDS = frozenset(
    {
        *("auth", "authorization", "cookie", "credential", "credentials", "key", "apikey", "passphrase", "passwd"),
        *("password", "pwd", "secret", "session", "sig", "signature", "token"),
    }
)
_WORDS = re.compile("[-_. ]")


def is_secret_name(name: str) -> bool:
    """Say whether a header or a parameter of this name holds a secret: its last word is one of those that do.

    >>> [is_secret_name(name) for name in ("X-Api-Key", "Authorization", "X-Max-Tokens", "X-Author")]
    [True, True, False, False]
    """
    return _WORDS.split(name.lower())[-1] in _SECRET_WORDS


def header_secrets(headers: Mapping[str, str]) -> Iterator[str]:
    """Give what is secret in headers: the values, and the parts of a value that are secrets by themselves."""
    for name, value in headers.items():
        if not is_secret_name(name):
            continue
        yield value
        scheme, _, rest = value.partition(" ")
        if rest and scheme.lower() in {"basic", "bearer", "token", "apikey"}:
            yield rest
        if rest and scheme.lower() == "basic":
            yield from _login(rest)
        if "cookie" in name.lower():
            yield from (part.partition("=")[2].strip() for part in value.split(";"))


def _login(encoded: str) -> Iterator[str]:
    try:
        login = b64decode(encoded, validate=True).decode()
    except ValueError:
        return
    yield login
    yield login.partition(":")[2]


def address_secrets(address: str) -> Iterator[str]:
    """Give what is secret in an address: user, password, and the parameters that hold secrets."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return
    for told in (parts.username, parts.password):
        if told:
            yield from (told, unquote(told))
    if parts.password:
        yield f"{unquote(parts.username or '')}:{unquote(parts.password)}"
    for name, value in parse_qsl(parts.query):
        if is_secret_name(name) or name.lower() in {"code", "sas"}:
            yield value


def client_secrets(client: Any) -> Iterator[str]:
    """Give what is secret in an HTTP client that the user has built: its headers, its login, its cookies."""
    yield from header_secrets(dict(getattr(client, "headers", None) or {}))
    auth = getattr(client, "auth", None)
    for value in getattr(auth, "__dict__", {}).values():
        if isinstance(value, str):
            yield from header_secrets({"authorization": value})
    for cookie in getattr(getattr(client, "cookies", None), "jar", ()):
        yield cookie.value or ""


def check_address(address: str) -> None:
    """Raise `ConfigurationError` for an address without `http://` or `https://`, or without a host."""
    shown = public_address(address)
    try:
        parts = urlsplit(address)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits:
        raise ConfigurationError(f"expected an address as https://host/v1, got {shown!r}: check the base_url")


@lru_cache(maxsize=64)
def public_address(address: str) -> str:
    """Give an address without login and parameters, for messages."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # a port that is no number is told when it is looked at
    except ValueError:
        return address if "@" not in address and "?" not in address else "an address that cannot be read"
    if "@" not in parts.netloc and not parts.query and not parts.fragment:
        return address
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def redactor_of(secrets: Iterable[str]) -> Callable[[Any], Any]:
    """Make what blanks out these secrets in texts and JSON data, however they are spelled there."""
    spellings = {spelled for secret in secrets if len(secret) >= _SHORTEST for spelled in _spellings(secret)}
    if not spellings:
        return lambda value: value
    # The longest first: the rest of a secret that begins as another one does would be left standing.
    pattern = re.compile("|".join(map(re.escape, sorted(spellings, key=len, reverse=True))))
    return partial(_redact, pattern)


def _redact(pattern: re.Pattern[str], value: Any) -> Any:
    if isinstance(value, str):
        return pattern.sub(MASK, value)
    if isinstance(value, dict):
        return {_redact(pattern, name): _redact(pattern, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_redact(pattern, item) for item in value]
    return value


def _spellings(secret: str) -> Iterator[str]:
    """Give a secret as texts have it: plain, in JSON (once and twice), in Python's repr, in an address, in Base64."""
    yield secret
    for ascii_only in (True, False):
        escaped = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield from (escaped, json.dumps(escaped, ensure_ascii=ascii_only)[1:-1], escaped.replace("/", "\\/"))
    yield repr(secret)[1:-1]
    yield from (quote(secret, safe=""), quote(secret), quote_plus(secret))
    yield quote(secret, safe="").lower()
    data = secret.encode("utf-8", "surrogatepass")
    for encode in (b64encode, urlsafe_b64encode):
        for offset in range(3):  # where it stands within a longer text, its letters differ
            encoded = encode(b"\0" * offset + data).decode().rstrip("=")
            inner = encoded[(0, 2, 3)[offset] : len(encoded) if (offset + len(data)) % 3 == 0 else -1]
            if len(inner) >= _SHORTEST_ENCODED:
                yield inner
