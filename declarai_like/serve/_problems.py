"""Errors as the outside sees them: fixed sentences, never a prompt, a key, an address or a traceback."""

from __future__ import annotations

import logging
import re
import traceback
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from declarai_like import errors
from declarai_like._calls.approvals import UnknownCall, WrongDecision
from declarai_like._calls.rounds import UnknownRun
from declarai_like.serve._json_answers import JSONAnswer
from declarai_like.serve._pending import describe_pending

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["Problem", "answer_http_error", "answer_problem", "server_stops", "translate_error"]

logger = logging.getLogger("declarai_like")


@dataclass(eq=False)
class Problem(Exception):
    """Why a request was not answered; `message` may name fields, and holds nothing of their values."""

    status: int
    message: str
    type: str = ""
    code: str | None = None
    retryable: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[str, Any] | None = None
    """What is told instead of a call that waits for decisions, where they can be taken."""

    def body(self) -> dict[str, Any]:
        """Give what is sent, in the form that OpenAI's clients read too."""
        data = {
            "type": self.type or _NAMES.get(self.status, "BadRequest"),
            "message": self.message,
            "status": self.status,
            "code": self.code,
            "retryable": self.retryable,
        }
        return {"error": data}


def server_stops() -> Problem:
    """Say that the server stops: whoever asks again finds another one, or the same one started anew."""
    return Problem(503, "the server stops", type="ServerStops", retryable=True)


_NAMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "Conflict",
    410: "Gone",
    413: "PayloadTooLarge",
    415: "UnsupportedMediaType",
    421: "MisdirectedRequest",
    422: "InvalidArguments",
    429: "TooManyRequests",
    500: "InternalError",
}

_CALLS: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.LimitExceeded, 429, "a limit of the server is reached"),
    (errors.MediaError, 422, "a file is not what it should be, or cannot be had"),
    (errors.ProviderTimeout, 504, "the model did not answer in time"),
    (errors.RateLimited, 429, "the model has too much to do"),
    (errors.StreamInterrupted, 502, "the answer broke off"),
    (errors.ProviderError, 502, "the model could not be asked"),
    (errors.OutputTruncated, 502, "the answer was cut at the token limit"),
    (errors.ModelRefusal, 502, "the model declined to answer"),
    (errors.ContentFiltered, 502, "the answer was cut by the provider's filter"),
    (errors.OutputError, 502, "the answer is not of the declared type"),
    (errors.ToolFailed, 502, "a tool failed"),
    (UnknownRun, 404, "there is no such run"),
    (errors.RunBusy, 409, "somebody else goes on with this run"),
    (errors.RunDiverged, 409, "the run does not wait for this"),
    (errors.RunError, 409, "tools wait for a decision"),
    (UnknownCall, 409, "a decision is about a call that does not wait"),
    (WrongDecision, 422, "a decision is not what its call takes"),
    (errors.HistoryWriteError, 503, "the answer came but the conversation could not be stored"),
    (errors.HistoryError, 503, "the conversation could not be read or written"),
)
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def translate_error(error: Exception, *, where: str) -> Problem:
    """Give what is told outside of an error, and log what it was: its class and place, not its words.

    The words may hold what a model or a user said; they, with the traceback, are logged at `DEBUG`.
    """
    if isinstance(error, Problem):
        return error
    logger.debug("%s failed", where, exc_info=error)
    pending = describe_pending(error)
    if pending is not None:
        logger.info("%s waits: %s", where, type(error).__name__)
        return Problem(409, "tools wait for a decision", type=type(error).__name__, pending=pending)
    for kind, status, message in _CALLS:
        if isinstance(error, kind):
            logger.warning("%s failed: %s, status %s", where, type(error).__name__, getattr(error, "status", None))
            return _translate_call_error(error, status, message)
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    place = f"{frame[0].filename}:{frame[0].lineno}" if frame else "nowhere"
    logger.error("%s failed: %s at %s", where, type(error).__name__, place)
    return Problem(500, "the server failed")


def _translate_call_error(error: Exception, status: int, message: str) -> Problem:
    code, wait = getattr(error, "code", None), getattr(error, "retry_after", None)
    return Problem(
        status,
        message,
        type=type(error).__name__,
        code=code if isinstance(code, str) and _CODE.fullmatch(code) else None,
        retryable=bool(getattr(error, "retryable", isinstance(error, errors.RunBusy))),
        headers={} if wait is None else {"Retry-After": str(max(1, round(wait)))},
    )


async def answer_problem(_request: Request, problem: Exception) -> Response:
    """Answer with a problem, or with what is told of an error that nobody foresaw."""
    shown = translate_error(problem, where="serve")
    return JSONAnswer(shown.body(), shown.status, dict(shown.headers))


async def answer_http_error(_request: Request, error: Exception) -> Response:
    """Answer what the router refuses: an unknown path, a method that a path does not have."""
    status: int = getattr(error, "status_code", 500)
    problem = Problem(status, HTTPStatus(status).phrase.lower())
    return JSONAnswer(problem.body(), status, getattr(error, "headers", None))
