"""What a request posts: JSON, or a form with files; in both cases arguments by name."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from declarai_like.serve._problems import Problem
from declarai_like.serve._safety import ClientGone, read_json, refuse_length, too_long

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import Message, Receive

    from declarai_like.serve._settings import Settings

__all__ = ["Posted", "Upload", "read_posted"]

_FORM = "multipart/form-data"
_MOST_FILES, _MOST_FIELDS = 50, 200


class Upload(NamedTuple):
    """A file of a form."""

    data: bytes
    name: str | None


@dataclass(frozen=True)
class Posted:
    """What was posted. `body` tells it from all other requests: JSON as it came, or a form's texts and hashes."""

    body: bytes
    texts: Mapping[str, list[str]] = field(default_factory=dict)
    files: Mapping[str, list[Upload]] = field(default_factory=dict)
    is_form: bool = False


async def read_posted(request: Request, settings: Settings) -> Posted:
    """Read a body; raises `Problem` for one that is neither JSON nor a form, is too long, or comes too slowly."""
    kind, _, more = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != _FORM or "boundary=" not in more.lower():
        return Posted(await read_json(request, settings))
    _refuse_foreign_page(request, settings.origins)
    refuse_length(request, settings.max_upload_bytes)
    try:
        return await asyncio.wait_for(_read_form(request, settings), settings.client_seconds)
    except asyncio.TimeoutError:
        raise Problem(408, "the body did not come in time", headers={"Connection": "close"}) from None


def _refuse_foreign_page(request: Request, allowed: Sequence[str]) -> None:
    """Raise `Problem` for a form of another site's page: browsers send those without asking, unlike JSON."""
    origin = request.headers.get("origin")
    is_own = origin is None or origin.partition("://")[2] == request.headers.get("host")
    if not (is_own or origin in allowed or "*" in allowed):
        raise Problem(403, "a form from the page of another site is not taken")


async def _read_form(request: Request, settings: Settings) -> Posted:
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect
    from starlette.requests import Request as FormRequest

    form_request = FormRequest(request.scope, _limited(request.receive, settings.max_upload_bytes))
    texts: dict[str, list[str]] = {}
    files: dict[str, list[Upload]] = {}
    try:
        async with form_request.form(
            max_files=_MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=settings.max_body_bytes
        ) as form:
            for name, value in form.multi_items():
                if isinstance(value, str):
                    texts.setdefault(name, []).append(value)
                elif (data := await value.read()) or value.filename:  # a form without the file has an empty one
                    files.setdefault(name, []).append(Upload(data, value.filename or None))
    except ClientDisconnect:
        raise ClientGone from None
    except HTTPException:
        raise Problem(400, "the body is no form that can be read") from None
    hashes = {name: [[each.name, sha256(each.data).hexdigest()] for each in them] for name, them in files.items()}
    return Posted(json.dumps([texts, hashes], sort_keys=True).encode(), texts, files, is_form=True)


def _limited(receive: Receive, limit: int) -> Receive:
    """Count what comes; raises `Problem` before there is more of it than `limit` bytes."""
    length = 0

    async def counted() -> Message:
        nonlocal length
        message: Any = await receive()
        length += len(message.get("body", b""))
        if length > limit:
            raise too_long(limit)
        return message  # type: ignore[no-any-return]  # as it came

    return counted
