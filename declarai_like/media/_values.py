"""What all media have in common: bytes, or where they are, that are seen by their name and hash only."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from declarai_like.errors import ArgumentError, LimitExceeded, MediaError
from declarai_like.media._addresses import check_address, decode_data_url, shown
from declarai_like.media._files import read_file
from declarai_like.media._signatures import detect, is_program, plain_type

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    from typing_extensions import Self

__all__ = ["DEFAULT_MEDIA_BYTES", "Media"]

Bytes: TypeAlias = bytes  # within the class `bytes` is a method

DEFAULT_MEDIA_BYTES = 20 * 1024 * 1024
"""How many bytes one of the media may have, unless more is asked for."""
_THOUSAND = 1000


@dataclass(slots=True)
class Holding:
    """What one of the media knows of itself, as far as it has been read."""

    data: bytes | None = None
    read: Callable[[], bytes] | None = None
    """Gives the bytes where they have not been read yet."""
    media_type: str | None = None
    digest: str | None = None
    size: int | None = None
    name: str | None = None
    address: str | None = None
    file_id: str | None = None
    download: bool = False
    allow_hosts: tuple[str, ...] = ()


class Media:
    """Bytes with their media type, or the address or id under which a provider finds them; never changed.

    Equal if the kind, the name and the content are. `repr` shows type, size and hash, never the bytes.
    """

    __slots__ = ("_held",)

    kind: ClassVar[str] = "file"
    takes: ClassVar[frozenset[str] | None] = None
    """The media types that it may have; `None` for any."""

    _held: Holding

    def __init__(self, data: Bytes, media_type: str | None = None, name: str | None = None) -> None:
        """Take bytes. Raises `MediaError`, a `ValueError`, if they are not of a type that this kind takes.

        `media_type` need not be told: the bytes show it. One that contradicts them is refused.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise ArgumentError(f"{type(self).__name__}: expected bytes, got {type(data).__name__}{self._advice(data)}")
        object.__setattr__(self, "_held", Holding(name=name))
        self._keep(bytes(data), media_type)

    @classmethod
    def bytes(cls, data: Bytes, media_type: str | None = None, name: str | None = None) -> Self:
        """Take bytes, as the constructor does."""
        return cls(data, media_type, name)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        root: str | os.PathLike[str] | None = None,
        eager: bool = True,
        max_bytes: int = DEFAULT_MEDIA_BYTES,
    ) -> Self:
        """Take a file, read now, or with `eager=False` when it is first needed, and then kept.

        With `root` the path is below it, and no symbolic link leads out of it. Raises `OSError` as `open` does,
        `LimitExceeded` for more than `max_bytes`, of which no more are read, and `MediaError`, a `ValueError`, for a
        file that is not of this kind or lies outside of `root`.
        """
        return cls._of_file(partial(read_file, path, root, max_bytes), path, eager=eager)

    @classmethod
    def url(
        cls,
        address: str,
        *,
        media_type: str | None = None,
        name: str | None = None,
        download: bool = False,
        allow_hosts: Iterable[str] = (),
    ) -> Self:
        """Take an address: the provider fetches it, or we do where it cannot, and in any case with `download`.

        A `data:` URL becomes its bytes. What is downloaded here comes over https from public addresses alone; hosts in
        `allow_hosts` may be private ones, and asked over http. Raises `MediaError`, a `ValueError`, for another one.
        """
        if address.startswith("data:"):
            data, told = decode_data_url(address)
            return cls(data, media_type or told, name)
        hosts = tuple(allow_hosts)
        check_address(address, hosts)
        kind = cls._said_type(media_type)
        return cls._of(Holding(media_type=kind, name=name, address=address, download=bool(download), allow_hosts=hosts))

    @classmethod
    def id(cls, file_id: str, *, media_type: str | None = None, name: str | None = None) -> Self:
        """Take the id of a file that was given to the provider before."""
        told: Any = file_id
        if not isinstance(told, str) or not told.strip():
            raise MediaError(f"{cls.__name__}.id: expected the id of a file, got {file_id!r:.80}")
        return cls._of(Holding(media_type=cls._said_type(media_type), name=name, file_id=file_id))

    @classmethod
    def of_store(
        cls, read: Callable[[], Bytes], *, digest: str, size: int, media_type: str, name: str | None = None
    ) -> Self:
        """Take what a store keeps: it is read when it is needed."""
        return cls._of(Holding(read=read, digest=digest, size=size, media_type=media_type, name=name))

    @classmethod
    def _of_file(cls, read: Callable[[], Bytes], path: str | os.PathLike[str], *, eager: bool) -> Self:
        from pathlib import PurePath

        made = cls._of(Holding(read=read, name=PurePath(path).name))
        if eager:
            _ = made.data
        return made

    @classmethod
    def _of(cls, held: Holding) -> Self:
        made = object.__new__(cls)
        object.__setattr__(made, "_held", held)
        return made

    def _keep(self, data: Bytes, media_type: str | None) -> None:
        from hashlib import sha256  # costly to import, and every task knows of media

        held = self._held
        kind, digest = self._check(data, media_type), sha256(data).hexdigest()
        if held.digest not in (None, digest):
            raise MediaError(f"{self!r}: the bytes that were read are others than those that were stored")
        held.media_type, held.digest, held.size, held.data = kind, digest, len(data), data

    def _load(self) -> Holding:
        """Read what is not read yet; twice at the same moment does no harm."""
        held = self._held
        if held.data is None and held.read is not None:
            self._keep(held.read(), held.media_type)
        return held

    @classmethod
    def _said_type(cls, media_type: str | None) -> str | None:
        """Give the type that is said of what stands elsewhere; raises `MediaError` for one that this kind is not."""
        kind = None if media_type is None else plain_type(media_type)
        if kind is not None and cls.takes is not None and kind not in cls.takes:
            raise MediaError(f"{cls.__name__}: expected one of {', '.join(sorted(cls.takes))}, got {kind}")
        return kind

    @classmethod
    def _check(cls, data: Bytes, media_type: str | None) -> str:
        """Give the type of bytes; raises `MediaError` if they are not of one that this kind takes."""
        told, found = None if media_type is None else plain_type(media_type), detect(data)
        if is_program(data):
            raise MediaError(f"{cls.__name__}: the bytes are those of a program, which is never sent")
        if cls.takes is not None and found not in cls.takes:
            raise MediaError(
                f"{cls.__name__}: expected {', '.join(sorted(cls.takes))}, but the bytes are {_what(found)}"
            )
        kind = cls._agree(told, found)
        if kind is None:
            raise MediaError(
                f"{cls.__name__}: media_type says {told or 'nothing'}, but the bytes are {_what(found)}: "
                "leave media_type out where the bytes show it, and give it where they do not"
            )
        return kind

    @classmethod
    def _agree(cls, told: str | None, found: str | None) -> str | None:
        """Give the type that both sides say; `None` if they contradict each other."""
        return found if told in (None, found) else None

    @classmethod
    def _advice(cls, value: Any) -> str:
        if not isinstance(value, str):
            return ""
        return f": write {cls.__name__}.open(path) for a file, or {cls.__name__}.url(address)"

    @property
    def data(self) -> Bytes | None:
        """The bytes, read from the file or store if they have not been yet; `None` of what stands elsewhere."""
        return self._load().data

    @property
    def media_type(self) -> str | None:
        """The media type; of an address or id the one that was said, if any."""
        return self._held.media_type or self._load().media_type

    @property
    def size(self) -> int | None:
        """How many bytes there are; `None` where they are elsewhere."""
        return self._load().size if self._held.size is None else self._held.size

    @property
    def digest(self) -> str | None:
        """The SHA-256 of the bytes, in hexadecimal; `None` where they are elsewhere."""
        return self._held.digest or self._load().digest

    @property
    def name(self) -> str | None:
        """The name of the file, which is told to providers that take one."""
        return self._held.name

    @property
    def address(self) -> str | None:
        """Where it is, if a provider is to fetch it."""
        return self._held.address

    @property
    def file_id(self) -> str | None:
        """The id that a provider has given it."""
        return self._held.file_id

    @property
    def download(self) -> bool:
        """Whether it is fetched here and its bytes are sent, whoever is asked."""
        return self._held.download

    @property
    def allow_hosts(self) -> tuple[str, ...]:
        """Hosts that may be asked for it though their addresses are private, also without TLS."""
        return self._held.allow_hosts

    def base64(self) -> str:
        """Write the bytes in base 64; raises `MediaError` where they are elsewhere."""
        data = self.data
        if data is None:
            raise MediaError(f"{self!r} has no bytes here")
        return b64encode(data).decode()

    def data_url(self) -> str:
        """Write the bytes as a `data:` URL; raises `MediaError` where they are elsewhere."""
        return f"data:{self.media_type};base64,{self.base64()}"

    def to_data(self) -> dict[str, Any]:
        """Give all of it as plain data: `{"data"}` in base 64, `{"url"}` or `{"id"}`, with its type and name."""
        told = {"media_type": self.media_type, "name": self.name}
        known = {name: value for name, value in told.items() if value is not None}
        if self.address is not None:
            return {**known, "url": self.address, **({"download": True} if self.download else {})}
        return {**known, "id": self.file_id} if self.file_id is not None else {**known, "data": self.base64()}

    def describe(self) -> dict[str, Any]:
        """Tell it without its bytes: each content by another hash."""
        told: dict[str, Any] = {"media_type": self.media_type, "name": self.name}
        told |= {"url": self.address, "id": self.file_id}
        told |= {"bytes": self.size, "sha256": self.digest}
        return {name: value for name, value in told.items() if value is not None}

    def check_size(self, limit: int | None) -> None:
        """Raise `LimitExceeded` if there are more bytes than `limit`."""
        if limit is not None and self.size is not None and self.size > limit:
            raise LimitExceeded(
                f"{self!r} has {self.size} bytes, max_media_bytes={limit} allows no more: give a smaller one "
                "(Image.open has max_side=), raise max_media_bytes=, or give an address or a file's id"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is never changed: make another one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is never changed: make another one")

    def _identity(self) -> tuple[Any, ...]:
        place = (self.address, self.file_id, self.download, self.allow_hosts)
        return (type(self), self.media_type, self.name, self.digest, *place)

    def __eq__(self, other: object) -> bool:
        return self._identity() == other._identity() if isinstance(other, Media) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        kind, held = type(self).__name__, self._held
        if held.address is not None:
            return f"<{kind} {shown(held.address)}>"
        if held.file_id is not None:
            return f"<{kind} id:{held.file_id}>"
        if held.digest is None:
            return f"<{kind} {held.name}, not read yet>"
        return f"<{kind} {held.media_type} {_readable(held.size or 0)} sha256:{held.digest[:8]}>"

    def __reduce__(self) -> Any:
        """Pickle by content: what is not read yet is read now, and a store's or file's reader stays behind."""
        return _of_holding, (type(self), replace(self._load(), read=None))


def _of_holding(kind: type[Media], held: Holding) -> Media:
    made = object.__new__(kind)
    object.__setattr__(made, "_held", held)
    return made


def _what(found: str | None) -> str:
    return "of no type that is known here" if found is None else found


def _readable(size: int) -> str:
    """Write a size for readers.

    >>> _readable(999), _readable(12_345), _readable(20_971_520)
    ('999 B', '12.3 kB', '21.0 MB')
    """
    if size < _THOUSAND:
        return f"{size} B"
    if size < _THOUSAND * _THOUSAND:
        return f"{size / _THOUSAND:.1f} kB"
    return f"{size / _THOUSAND / _THOUSAND:.1f} MB"
