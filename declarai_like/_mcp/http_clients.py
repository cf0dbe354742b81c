"""The HTTP client of a server behind an address: it tells what a failure means for the message that was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LOST", "REFUSED", "UNSENT", "HTTPClient"]

UNSENT, LOST, REFUSED = -32_900, -32_901, -32_902
"""The codes of errors that are made here: the message never left; it may have arrived; the server took it not."""
_CONNECT_SECONDS = 30.0
_GOODBYE_SECONDS = 2.0
"""How long a server may take to hear that a session is over."""
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
_FORGOTTEN = 404


class HTTPClient(httpx2.AsyncClient):
    """A client whose failures are answers: one of them ends the message that failed, and not the whole session."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(
            headers=dict(headers),
            timeout=httpx2.Timeout(_CONNECT_SECONDS, read=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        )

    async def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        """Send a request; a message that fails is answered by an error that says how."""
        if request.method == "DELETE":
            request.extensions = {**request.extensions, "timeout": httpx2.Timeout(_GOODBYE_SECONDS).as_dict()}
        if request.method != "POST":
            return await super().send(request, **how)
        try:
            response = await super().send(request, **how)
        except _NEVER_SENT as error:
            return _answer(request, UNSENT, _reason(error))
        except httpx2.TransportError as error:
            return _answer(request, LOST, _reason(error))
        return response if response.is_success else await _explain(request, response)


async def _explain(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    """Give an answer that is none: as it is, if it says in the protocol's words what is wrong."""
    body, status = await response.aread(), response.status_code
    if status == _FORGOTTEN and "mcp-session-id" in request.headers:
        return _answer(request, UNSENT, "the server does not know the session any more")
    if status == _FORGOTTEN or response.is_redirect or b'"jsonrpc"' in body:
        return response
    code = LOST if response.is_server_error else REFUSED
    return _answer(request, code, f"HTTP {status} {response.reason_phrase}".strip())


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _answer(request: httpx2.Request, code: int, message: str) -> httpx2.Response:
    told = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return httpx2.Response(502, json=told, request=request)
