"""JSON that stands in a text of JSON."""

from __future__ import annotations

from typing import Any

from declarai_like._outputs.reader import Reader

__all__ = ["read_nested"]


def read_nested(text: str) -> Any:
    """Give the data of the one object or array that the text is; `None` if it is none."""
    reader = Reader()
    reader.feed(text)
    documents = reader.finish()
    if len(documents) != 1:
        return None
    (document,) = documents
    whole = document.end == len(text.rstrip()) and document.start == len(text) - len(text.lstrip())
    return document.data if whole and not document.fault else None
