"""The reference of a served app as a page: what each route takes, how to call it, and where to try it."""

from __future__ import annotations

import json
import re
import shlex
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["render_reference"]

_TRIED = re.compile(r"/(tasks|chats)/([^/]+)")
_EXAMPLES = {"string": "...", "integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}}


def render_reference(description: Mapping[str, Any]) -> str:
    """Write the description as a page; everything that comes from a declaration is escaped."""
    told = [
        (method.upper(), path, operation)
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    ]
    links = "".join(f'<li><a href="#route-{n}">{m} {escape(path)}</a></li>' for n, (m, path, _) in enumerate(told))
    routes = "".join(_render_route(number, *route) for number, route in enumerate(told))
    shared = _render_schema("Schemas", description["components"]["schemas"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Reference</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="static/page.css"><link rel="icon" href="static/icon.svg"></head>'
        '<body><main class="reference"><h1>Reference</h1><p><a href="./">Try it on the page</a>, or read '
        f'<a href="openapi.json">openapi.json</a>.</p><ul>{links}</ul>{routes}{shared}</main></body></html>'
    )


def _render_route(number: int, method: str, path: str, operation: Mapping[str, Any]) -> str:
    body = _schema_of(operation.get("requestBody"))
    given = _schema_of(operation["responses"].get("200"))
    tried = _TRIED.match(path)
    link = f' <a href="./#/{tried[1]}/{escape(tried[2])}">Try it</a>' if tried else ""
    return (
        f'<section><h2 id="route-{number}"><code>{method} {escape(path)}</code></h2>'
        f"<p>{escape(operation['summary'])}.{link}</p>{_render_fields(operation, body)}"
        f'<pre tabindex="0">{escape(_call(method, path, body))}</pre>'
        f"{_render_schema('Takes', body)}{_render_schema('Gives', given)}</section>"
    )


def _schema_of(part: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if part is None else dict(part.get("content", {}).get("application/json", {}).get("schema", {}))


def _render_fields(operation: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """Write a table of what is told: parameters of the address and of headers, fields of the body."""
    needed = body.get("required", ())
    rows = [(name, "body", kind, name in needed, "") for name, kind in body.get("properties", {}).items()]
    rows += [
        (one["name"], one["in"], one["schema"], one.get("required", False), one.get("description", ""))
        for one in operation.get("parameters", ())
    ]
    if not rows:
        return ""
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in _cells(*row))}</tr>" for row in rows)
    return f"<table><tr><th>name</th><th>in</th><th>type</th><th>notes</th></tr>{lines}</table>"


def _cells(name: str, place: str, schema: Mapping[str, Any], needed: bool, words: str) -> list[str]:  # noqa: FBT001 - a column
    default = f"default {json.dumps(schema['default'])}" if "default" in schema else ""
    notes = [note for note in ("required" if needed else "", default, words) if note]
    return [f"<code>{escape(name)}</code>", place, escape(_kind_of(schema)), escape(", ".join(notes))]


def _kind_of(schema: Mapping[str, Any]) -> str:
    """Say in a few words what a schema takes."""
    if "enum" in schema:
        return ", ".join(json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_kind_of(one) for one in schema["anyOf"])
    if "items" in schema:
        return f"array of {_kind_of(schema['items'])}"
    kind = schema.get("type", schema.get("$ref", "").rpartition("/")[2] or "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _call(method: str, path: str, body: Mapping[str, Any]) -> str:
    """Give a command that makes the call, with values that stand for what the fields take."""
    command = ["curl", *(["-X", method] if method == "DELETE" else []), f"http://127.0.0.1:8000{path}"]
    if method != "POST":
        return shlex.join(command)
    fields = body.get("properties", {})
    values = {name: _example(fields.get(name, {})) for name in body.get("required", fields)}
    return f"{shlex.join(command)} --json {shlex.quote(json.dumps(values))}"


def _example(schema: Mapping[str, Any]) -> Any:
    """Give the least that a schema takes."""
    if "properties" in schema:
        return {name: _example(schema["properties"].get(name, {})) for name in schema.get("required", ())}
    if "enum" in schema:
        return schema["enum"][0]
    return _EXAMPLES.get(_kind_of(schema).split(" ")[0], "...")


def _render_schema(title: str, schema: Any) -> str:
    if not schema:
        return ""
    shown = escape(json.dumps(schema, indent=2))
    return f'<details><summary>{title}</summary><pre tabindex="0">{shown}</pre></details>'
