"""The pages of a call log: the calls as a table, and each with what was said."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from declarai_like.errors import ConfigurationError
from declarai_like.middleware._call_log.store import CallLogStore
from declarai_like.serve._log_details import chart_of, tree_of
from declarai_like.serve._problems import Problem

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from starlette.requests import Request

    from declarai_like.middleware._call_log.store import LoggedCall

__all__ = ["LogRoutes"]

_PER_PAGE = 50
_HEADINGS = ("Call", "When", "Task", "Model", "Outcome", "Seconds", "First chunk", "Tokens", "Cost")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "Content-Type": "text/html; charset=utf-8",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class LogRoutes:
    """What a browser opens to look at calls."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._store = CallLogStore(path)

    async def calls(self, request: Request) -> Response:
        """Show calls, the newest first; `search`, `task` and `failed` choose among them, `before` turns the page."""
        asked = request.query_params
        before = asked.get("before", "")
        chosen: dict[str, Any] = {"words": asked.get("search", ""), "task": asked.get("task", "")}
        chosen["failed"] = bool(asked.get("failed"))
        number = int(before) if before.isascii() and before.isdigit() else None
        try:
            found = await run_in_threadpool(self._store.find, before=number, limit=_PER_PAGE, **chosen)
        except ConfigurationError as error:
            raise Problem(503, error.message) from None
        return _page("Calls", _form(chosen) + _table(found) + _more(found, chosen))

    async def call(self, request: Request) -> Response:
        """Show one call; raises `Problem` if there is none."""
        try:
            call = await run_in_threadpool(self._store.get, request.path_params["number"])
            run = call["run"]
            requests = [call] if run is None else await run_in_threadpool(self._store.requests_of, run)
        except ConfigurationError:
            raise Problem(404, "there is no such call") from None
        details = tree_of(requests, call["id"]) + chart_of(call)
        return _page(f"Call {call['id']}", _facts(call) + details + _said(call))


def _page(title: str, body: str) -> Response:
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="stylesheet" href="/static/page.css"><link rel="stylesheet" href="/static/logs.css">'
        f'<link rel="icon" href="/static/icon.svg"></head><body class="logs"><h1><a href="/logs">Calls</a>'
        f"{'' if title == 'Calls' else f' / {title}'}</h1>{body}</body></html>"
    )
    return Response(html, headers=_HEADERS)


def _form(chosen: dict[str, Any]) -> str:
    checked = " checked" if chosen["failed"] else ""
    return (
        '<form method="get" action="/logs">'
        f'<label>Words <input name="search" value="{escape(chosen["words"])}"></label>'
        f'<label>Task <input name="task" value="{escape(chosen["task"])}"></label>'
        f'<label><input type="checkbox" name="failed" value="1"{checked}> failed only</label>'
        "<button>Search</button></form>"
    )


def _table(calls: Sequence[LoggedCall]) -> str:
    if not calls:
        return "<p>No calls.</p>"
    heading = "".join(f'<th scope="col">{name}</th>' for name in _HEADINGS)
    rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in _cells(call))}</tr>" for call in calls)
    return f'<div class="wide"><table><thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cells(call: LoggedCall) -> list[str]:
    number = call["id"]
    error = f' title="{escape(call["error"])}"' if call["error"] else ""
    return [
        f'<a href="/logs/{number}">{number}</a>',
        _when(call["at"]),
        escape(call["task"] or "-"),
        escape(call["model"] or "-"),
        f'<span class="{escape(call["outcome"])}"{error}>{escape(call["outcome"])}</span>',
        _seconds(call["seconds"]),
        _seconds(call["first_chunk"]),
        f"{_told(call['prompt_tokens'])} + {_told(call['completion_tokens'])}",
        "-" if call["cost"] is None else f"${call['cost']:.4f}",
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _told(value: int | None) -> str:
    return "-" if value is None else str(value)


def _more(calls: Sequence[LoggedCall], chosen: dict[str, Any]) -> str:
    if len(calls) < _PER_PAGE:
        return ""
    asked = {"search": chosen["words"], "task": chosen["task"], "before": calls[-1]["id"]}
    query = urlencode(
        {name: value for name, value in asked.items() if value} | ({"failed": 1} if chosen["failed"] else {})
    )
    return f'<p><a href="/logs?{escape(query)}">Older calls</a></p>'


def _facts(call: LoggedCall) -> str:
    apart = {"messages", "answer", "arguments", "tool_calls", "chunks"}
    shown = {name: value for name, value in call.items() if name not in apart}
    facts = "".join(
        f"<dt>{name}</dt><dd>{escape(_plain(name, value))}</dd>" for name, value in shown.items() if value is not None
    )
    return f"<dl>{facts}</dl>"


def _plain(name: str, value: Any) -> str:
    if name == "at":
        return _when(value)
    return f"{value:.3f}" if name in {"seconds", "first_chunk"} else str(value)


def _when(at: float) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S}"


def _said(call: LoggedCall) -> str:
    if "answer" not in call:
        return "<p>What was said is not in the log: <code>log(path, content=True)</code> keeps it.</p>"
    messages = [(message["role"], message["content"]) for message in call.get("messages", ())]
    return "".join(
        f"<section><h2>{escape(role)}</h2><pre>{escape(text)}</pre></section>"
        for role, text in [*messages, ("answer", call["answer"])]
    )
