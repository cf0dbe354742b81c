"""What a provider's batches are asked for, in its own words: generators of exchanges, which somebody performs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from declarai_like.errors import DefinitionError, InvalidResponse
from declarai_like.providers._exchanges import Exchange

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from declarai_like.requests import Request

__all__ = ["Answered", "Flow", "Line", "Service", "Status", "service_of"]

Flow: TypeAlias = "Generator[Exchange, bytes, Any]"
_HUNDRED = 100


class Line(NamedTuple):
    """One request of a batch."""

    custom_id: str
    body: dict[str, Any]


class Status(NamedTuple):
    """How far a batch is; `data` is what the provider has said of it."""

    is_over: bool
    done: int
    total: int
    data: dict[str, Any]


class Answered(NamedTuple):
    """What came of one request: a status and a body, or why there is none."""

    custom_id: str
    status: int
    body: bytes
    failure: str = ""


class Service(Protocol):
    """A provider's batches."""

    most_lines: int
    most_bytes: int

    def spell(self, line: Line, request: Request) -> bytes:
        """Write one request, without an end of line."""
        ...

    def create(self, lines: Sequence[bytes], run: str) -> Flow:
        """Begin a batch; gives its id."""
        ...

    def find(self, run: str, since: float, total: int, known: Iterable[str]) -> Flow:
        """Look for the batch of a run whose id was never heard; gives its id, or `None`."""
        ...

    def status(self, batch_id: str) -> Flow:
        """Ask how far a batch is; gives a `Status`."""
        ...

    def results(self, status: Status) -> Flow:
        """Fetch what has come; gives `Answered`s in no order."""
        ...

    def cancel(self, batch_id: str) -> Flow:
        """Ask for the end of a batch."""
        ...


class OpenAIBatches:
    """OpenAI's and Azure's: a file of requests, and files of results and errors. `url` is what each line asks."""

    most_lines = 50_000
    most_bytes = 200_000_000

    def __init__(self, url: str, expires_after: int | None = None) -> None:
        self._url = url
        self._expires_after = expires_after

    def spell(self, line: Line, request: Request) -> bytes:
        """Write one request."""
        return _dump({"custom_id": line.custom_id, "method": "POST", "url": self._url, "body": line.body})

    def create(self, lines: Sequence[bytes], run: str) -> Flow:
        """Upload the requests, and begin their batch."""
        file = _json((yield _upload(b"\n".join(lines) + b"\n", f"{run}.jsonl")))
        told: dict[str, Any] = {
            "input_file_id": file["id"],
            "endpoint": self._url,
            "completion_window": "24h",
            "metadata": {"run": run},
        }
        if self._expires_after is not None:
            told["output_expires_after"] = {"anchor": "created_at", "seconds": self._expires_after}
        return _json((yield Exchange("POST", "/batches", _dump(told))))["id"]

    def find(self, run: str, since: float, total: int, known: Iterable[str]) -> Flow:
        """Look for our mark in the list of batches."""
        after = ""
        while True:
            page = _json((yield Exchange("GET", f"/batches?limit={_HUNDRED}{after}")))
            for batch in page.get("data") or ():
                if (batch.get("metadata") or {}).get("run") == run:
                    return batch["id"]
                if (batch.get("created_at") or since) < since:
                    return None
            if not page.get("has_more") or not page.get("data"):
                return None
            after = f"&after={page['data'][-1]['id']}"

    def status(self, batch_id: str) -> Flow:
        """Ask how far a batch is."""
        data = _json((yield Exchange("GET", f"/batches/{batch_id}")))
        counts = data.get("request_counts") or {}
        done = (counts.get("completed") or 0) + (counts.get("failed") or 0)
        is_over = data.get("status") in {"completed", "failed", "expired", "cancelled"}
        return Status(is_over, done, counts.get("total") or 0, data)

    def results(self, status: Status) -> Flow:
        """Fetch both files: what was answered, and what was not."""
        answered = []
        for name in ("output_file_id", "error_file_id"):
            if status.data.get(name):
                content = yield Exchange("GET", f"/files/{status.data[name]}/content")
                answered += [_of_openai(data) for data in _lines(content)]
        return answered

    def cancel(self, batch_id: str) -> Flow:
        """Ask for the end of a batch."""
        yield Exchange("POST", f"/batches/{batch_id}/cancel")


class AnthropicBatches:
    """Anthropic's: requests in one body, and results at an address of their own."""

    most_lines = 100_000
    most_bytes = 250_000_000

    def spell(self, line: Line, request: Request) -> bytes:
        """Write one request."""
        return _dump({"custom_id": line.custom_id, "params": line.body})

    def create(self, lines: Sequence[bytes], run: str) -> Flow:
        """Begin a batch."""
        content = b'{"requests":[' + b",".join(lines) + b"]}"
        return _json((yield Exchange("POST", "/v1/messages/batches", content)))["id"]

    def find(self, run: str, since: float, total: int, known: Iterable[str]) -> Flow:
        """Look for a batch of this size that was begun since then, and that nobody knows.

        It may be another program's: its results have other ids then, and ours are sent anew.
        """
        others = {*known}
        page = _json((yield Exchange("GET", f"/v1/messages/batches?limit={_HUNDRED}")))
        for batch in page.get("data") or ():
            is_ours = sum((batch.get("request_counts") or {}).values()) == total and batch["id"] not in others
            if is_ours and _moment(batch.get("created_at")) >= since:
                return batch["id"]
        return None

    def status(self, batch_id: str) -> Flow:
        """Ask how far a batch is."""
        data = _json((yield Exchange("GET", f"/v1/messages/batches/{batch_id}")))
        counts = data.get("request_counts") or {}
        total = sum(counts.values())
        return Status(data.get("processing_status") == "ended", total - counts.get("processing", 0), total, data)

    def results(self, status: Status) -> Flow:
        """Fetch the results; they are asked for below our own address, whatever host the provider names."""
        content = yield Exchange("GET", f"/v1/messages/batches/{status.data['id']}/results")
        return [_of_anthropic(data) for data in _lines(content)]

    def cancel(self, batch_id: str) -> Flow:
        """Ask for the end of a batch."""
        yield Exchange("POST", f"/v1/messages/batches/{batch_id}/cancel")


_PREFIXES = {"openai": "/v1", "azure-openai": ""}
"""What the addresses in a file of requests begin with; Azure's name no version and no deployment, but in the body."""


_SHORTEST, _LONGEST = 3_600, 2_592_000
"""Seconds that OpenAI lets files be kept: https://platform.openai.com/docs/api-reference/batch/create"""


def service_of(request: Request, expires_after: int | None = None) -> Service:
    """Give the batches of who is asked; raises `DefinitionError` for a provider whose batches are not known.

    `expires_after` is how many seconds the files of results are kept; it is OpenAI's and Azure's.
    """
    provider: Any = request.provider
    if expires_after is not None and not _SHORTEST <= expires_after <= _LONGEST:
        raise DefinitionError(
            f"output_expires_after: expected {_SHORTEST} to {_LONGEST} seconds (an hour to 30 days), "
            f"got {expires_after!r}"
        )
    if provider is not None and provider.name in _PREFIXES:
        codec = provider.codec_of(request)
        return OpenAIBatches(_PREFIXES[provider.name] + codec.path(request), expires_after)
    if provider is not None and provider.name == "anthropic":
        if expires_after is not None:
            raise DefinitionError(
                "output_expires_after: Anthropic keeps results for 29 days, and lets nobody change it"
            )
        return AnthropicBatches()
    raise DefinitionError(
        "batch: expected a model of openai(), azure_openai() or anthropic(), "
        f"got one of {getattr(provider, 'name', None)!r}: use map"
    )


_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 529,
}


def _of_openai(data: dict[str, Any]) -> Answered:
    response, error = data.get("response"), data.get("error")
    if isinstance(response, dict):
        return Answered(data["custom_id"], response.get("status_code") or 200, _dump(response.get("body")))
    told = error if isinstance(error, dict) else {}
    return Answered(data["custom_id"], 0, b"", str(told.get("code") or told.get("message") or "no response"))


def _of_anthropic(data: dict[str, Any]) -> Answered:
    result = data["result"]
    if result["type"] == "succeeded":
        return Answered(data["custom_id"], 200, _dump(result["message"]))
    if result["type"] == "errored":
        error = result.get("error") or {}
        kind = (error.get("error") or error).get("type")
        return Answered(data["custom_id"], _STATUS_OF.get(str(kind), 500), _dump(error))
    return Answered(data["custom_id"], 0, b"", f"batch_{result['type']}")


def _upload(content: bytes, name: str) -> Exchange:
    """Write a file as a form, as browsers do."""
    mark = "batch-of-rows"
    while mark.encode() in content:
        mark += "-"
    fields = (
        f'--{mark}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/jsonl\r\n\r\n"
    )
    form = fields.encode() + content + f"\r\n--{mark}--\r\n".encode()
    return Exchange("POST", "/files", form, f"multipart/form-data; boundary={mark}")


def _dump(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _json(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise InvalidResponse(f"batch: expected a JSON object, got {body[:80]!r}")
    return data


def _lines(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.splitlines():
        if line.strip():
            yield _json(line)


def _moment(told: Any) -> float:
    try:
        return datetime.fromisoformat(str(told).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
