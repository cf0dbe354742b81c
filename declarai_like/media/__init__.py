"""Images, audio, documents and other files, as arguments of tasks, in messages of chats, as results of tools."""

from __future__ import annotations

from declarai_like.media._kinds import Audio, Document, File, Image
from declarai_like.media._values import DEFAULT_MEDIA_BYTES, Media

__all__ = ["DEFAULT_MEDIA_BYTES", "Audio", "Document", "File", "Image", "Media"]
