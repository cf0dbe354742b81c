"""The exceptions of the official client and its HTTP library, told as our errors."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from declarai_like import errors
from declarai_like._wire.error_classes import class_of
from declarai_like.providers._bodies import unknown_encoding
from declarai_like.providers._causes import cause_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._wire.codecs.base import Redact, Refusal
    from declarai_like.providers._waits import Waits

_ADVICE = {
    401: "check the key",
    403: "this key may not use this model",
    404: "check the model's name and the base_url",
    429: "wait, or ask less often",
}
_TOO_LONG = re.compile(
    "maximum context length|context.?length|context.?window|prompt is too long|input is too long"
    "|too many (?:input )?tokens|exceeds? the (?:available |model's )?context"
)
_UNAUTHORIZED = 401
"""What Google's code for a bad key means, whose status is 400."""
_TIMEOUTS = {"APITimeoutError", "TimeoutException"}
_WRONG_ADDRESS = {"UnsupportedProtocol", "InvalidURL", "LocalProtocolError"}
_NETWORK = {"APIConnectionError", "TransportError", "StreamError", "HTTPError", "InvalidURL", "OSError"}


def translate_error(error: Exception, *, where: str, redact: Redact, waits: Waits) -> errors.DeclaraiError:
    """Tell an exception from below as our error.

    `where` names the provider and its address; `redact` blanks out the key in what the other side sent.
    """
    if isinstance(error, errors.DeclaraiError):
        return error
    root = _root(error)
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & _TIMEOUTS:
        return _timed_out(type(root).__name__, where, waits)
    if type(root).__name__ == "LocalProtocolError":  # it shows the header, which may be a secret
        return errors.ConfigurationError(
            f"the request to {where} could not be made: a header has a line break, or what else none may have"
        )
    if type(root).__name__ == "DecodingError":
        return errors.InvalidResponse(
            f"expected the answer of {where} to be in the content-encoding it names: {redact(str(root))}",
            phase=waits.phase,
        )
    if names & _NETWORK:
        return _connection_error(root, cause_of(error), where, redact, waits)
    # Nothing of the network: a parameter that is no JSON, an HTTP client of another library, a key with a line break.
    words = redact(str(root)) or type(root).__name__
    return errors.ConfigurationError(f"the request to {where} could not be made: {type(root).__name__}: {words}")


def _connection_error(
    root: BaseException, cause: OSError | None, where: str, redact: Redact, waits: Waits
) -> errors.DeclaraiError:
    """Tell a connection that could not be made, or broke: in the words of the network where it has any."""
    name = type(root).__name__
    if name in _WRONG_ADDRESS:
        return errors.ConfigurationError(f"the address of {where} cannot be used: {redact(str(root))}")
    before = waits.phase != "stream" and "Connect" in name
    words = redact(str(cause or "") or str(root)) or name
    did = "could not reach" if before else "lost the connection to"
    return errors.ProviderConnectionError(
        f"{did} {where}: {words}; {_network_advice(cause)}", phase="connect" if before else waits.phase
    )


def _network_advice(cause: OSError | None) -> str:
    kind = type(cause).__name__
    if kind.startswith("SSLCert"):
        return "check the certificate of the server, and the authorities that this machine trusts (SSL_CERT_FILE)"
    if kind.startswith("SSL"):
        return "check that the server speaks TLS at this address, and which versions"
    return "check the address and the network"


def _timed_out(name: str, where: str, waits: Waits) -> errors.ProviderTimeout:
    if name == "ConnectTimeout" and waits.is_over:
        return errors.ProviderTimeout(f"could not connect to {where} in time: {waits.over()}", phase="connect")
    if name == "ConnectTimeout":
        return errors.ProviderTimeout(
            f"could not connect to {where} in time: check the address and the network, or raise connect_timeout=",
            phase="connect",
        )
    if name == "PoolTimeout":
        return errors.ProviderTimeout(
            f"all connections to {where} are in use: read or close the open streams, "
            "or give http_client= one with more of them",
            phase="connect",
        )
    return errors.ProviderTimeout(f"{where} did not answer in time: {waits.over()}", phase=waits.phase)


def _root(error: BaseException) -> BaseException:
    """Find the HTTP library's own exception below the official client's."""
    return error.__cause__ if type(error).__name__.startswith("API") and error.__cause__ is not None else error


def refusal_error(response: Any, refusal: Refusal, where: str, redact: Redact) -> errors.ProviderError:
    """Give the error that an answer with the status of one is."""
    status, headers = response.status_code, response.headers
    code = "context_length_exceeded" if _is_too_long(status, refusal) else refusal.code
    words = redact(refusal.message) or _show_body(refusal.body, headers, redact)
    return class_of(_UNAUTHORIZED if code == "API_KEY_INVALID" else status, code)(
        f"{where} answered {status}{_advice(status, code, headers, redact)}: {words}",
        status=status,
        code=redact(code),
        type=redact(refusal.type),
        request_id=redact(refusal.request_id),
        retry_after=refusal.retry_after,
        retryable=_retryable(status, headers),
        body=redact(refusal.body) or None,
    )


def _is_too_long(status: int, refusal: Refusal) -> bool:
    """Say whether a prompt was longer than the model's context, in whichever words."""
    return status in {400, 413, 422} and _TOO_LONG.search(refusal.message.lower()) is not None


def _retryable(status: int, headers: Mapping[str, str]) -> bool | None:
    """Say whether asking again may help: as the provider tells by `x-should-retry`, else as its status does."""
    told = headers.get("x-should-retry")
    if told in {"true", "false"}:
        return told == "true"
    return True if status == 409 else None  # noqa: PLR2004 - HTTP's Conflict


def _advice(status: int, code: Any, headers: Mapping[str, str], redact: Redact) -> str:
    if code == "insufficient_quota":
        return " (no quota is left: check the plan of this key)"
    if "location" in headers:  # not followed: it would carry the prompt, and the key, to another place
        return f" (it redirects to {redact(headers['location'])!r}: if you trust it, make that the base_url)"
    return f" ({_ADVICE[status]})" if status in _ADVICE else ""


def _show_body(body: Any, headers: Mapping[str, str], redact: Redact) -> str:
    """Give the beginning of a body that is not the provider's JSON, e.g. a proxy's web page."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    text = redact(" ".join(text[:2000].split()))
    encoding = redact(unknown_encoding(headers))
    advice = f"; its content-encoding {encoding!r:.40} is not understood here" if encoding else ""
    kind = redact(headers.get("content-type", "no content type"))
    return f"{kind} {text[:200]!r}{advice}" if text else f"nothing{advice}"
