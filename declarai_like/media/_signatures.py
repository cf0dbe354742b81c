"""What bytes are, told by how they begin: a name or a header may say anything."""

from __future__ import annotations

from declarai_like.errors import MediaError

__all__ = ["AUDIO", "IMAGES", "PDF", "TEXT", "detect", "is_program", "plain_type"]

IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
AUDIO = frozenset({"audio/wav", "audio/mpeg", "audio/ogg", "audio/flac", "audio/mp4"})
PDF = "application/pdf"
TEXT = "text/plain"

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", PDF),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
_IN_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_AUDIO_BRANDS = (b"M4A ", b"M4B ", b"isom", b"iso2", b"mp41", b"mp42", b"dash")
_PROGRAMS = (b"MZ", b"\x7fELF", b"\xfe\xed\xfa", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_OTHER_NAMES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "application/ogg": "audio/ogg",
    "application/x-pdf": PDF,
}
_HEAD = 16
_MP3_RATES = range(1, 15)


def detect(data: bytes) -> str | None:
    """Give the media type that the bytes themselves show; `text/plain` for text, `None` for what is not known here.

    >>> detect(b"GIF89a......"), detect(b"<svg>"), detect(bytes(4))
    ('image/gif', 'text/plain', None)
    """
    known = next((kind for beginning, kind in _BEGINNINGS if data.startswith(beginning)), None)
    if known is not None:
        return known
    if data[:4] == b"RIFF":
        return _IN_RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return "audio/mp4" if data[8:12] in _AUDIO_BRANDS else None
    if _is_mpeg_frame(data):
        return "audio/mpeg"
    return TEXT if _is_text(data) else None


def is_program(data: bytes) -> bool:
    """Say whether the bytes begin as those of an executable file do."""
    return data.startswith(_PROGRAMS)


def plain_type(media_type: str) -> str:
    """Give the usual name of a media type, without its parameters; raises `MediaError` for what is none.

    >>> plain_type("Image/JPG; q=1")
    'image/jpeg'
    """
    name = media_type.partition(";")[0].strip().lower()
    first, slash, second = name.partition("/")
    if not (slash and first and second and name.isascii() and name.isprintable()) or " " in name:
        raise MediaError(f"expected a media type as 'image/png', got {media_type!r:.80}")
    return _OTHER_NAMES.get(name, name)


def _is_mpeg_frame(data: bytes) -> bool:
    """Say whether a frame of MPEG audio, layer III, begins here, of a bit rate and a sample rate that exist."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE6 != 0xE2:  # noqa: PLR2004 - the bits of a frame's header
        return False
    return data[2] >> 4 in _MP3_RATES and data[2] & 0x0C != 0x0C  # noqa: PLR2004 - the bits of a frame's header


def _is_text(data: bytes) -> bool:
    if not data or b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
