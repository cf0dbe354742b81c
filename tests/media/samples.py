"""Small media of each type, made by the libraries that others read them with."""

import io
import wave

from PIL import Image as Pillow
from pypdf import PdfWriter

GIF = b"GIF89a......"
OGG, FLAC, MP3 = b"OggS........", b"fLaC........", b"ID3........."
MP4 = b"\0\0\0\x18ftypM4A \0\0\0\0"


def picture(kind="png", size=(4, 3), colour="red"):
    """A picture of one colour."""
    packed = io.BytesIO()
    Pillow.new("RGB", size, colour).save(packed, kind)
    return packed.getvalue()


def pdf(pages=2):
    """A PDF of blank pages."""
    packed, writer = io.BytesIO(), PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(width=72, height=72)
    writer.write(packed)
    return packed.getvalue()


def sound(seconds=0.5):
    """Silence, as WAV."""
    packed = io.BytesIO()
    with wave.open(packed, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(8000)
        written.writeframes(bytes(int(8000 * seconds) * 2))
    return packed.getvalue()
