"""The option `api`, where there is nothing to choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from declarai_like.requests import Request

__all__ = ["refuse_api"]


def refuse_api(request: Request, provider: str) -> None:
    """Raise `DefinitionError` for a request that chooses a format of OpenAI's where the provider has one of its own."""
    if request.api not in (None, "auto"):
        raise DefinitionError(
            f"api={request.api!r}: {provider} has one format only; leave api= out, or ask "
            "declarai.openai(base_url=...) if this server speaks OpenAI's formats too"
        )
