"""The OpenAPI description of a served app, made of the signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._version import __version__
from declarai_like.serve._event_frames import FRAMES

if TYPE_CHECKING:
    from declarai_like.serve._core import Core
    from declarai_like.serve._served import ServedChat, ServedTask

__all__ = ["describe_app"]

_TEXT = {"type": "string"}
_ANY: dict[str, Any] = {}
_USAGE = {
    "type": ["object", "null"],
    "properties": {
        name: {"type": ["integer", "null"]} for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    },
}
_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "type": _TEXT,
                "message": _TEXT,
                "status": {"type": "integer"},
                "code": {"type": ["string", "null"]},
                "retryable": {"type": "boolean"},
            },
        }
    },
}
_FRAMES = {
    "name": "frames",
    "in": "query",
    "schema": {"type": "string", "default": "delta"},
    "description": f"What a delta event holds: some of {', '.join(FRAMES)}, with commas between.",
}
_LAST = {
    "name": "Last-Event-ID",
    "in": "header",
    "schema": _TEXT,
    "description": "The id of the last event that was seen: the same request goes on after it.",
}


_NAME = {
    "name": "X-Stream-Id",
    "in": "header",
    "schema": _TEXT,
    "description": "A name for the stream, of 32 random hexadecimal digits: with -0 behind it, a Last-Event-ID.",
}


_STOP = {
    "summary": "Stop a stream, by its X-Stream-Id",
    "parameters": [{"name": "stream", "in": "path", "required": True, "schema": _TEXT}],
    "responses": {"204": {"description": "Stopped"}},
}


def describe_app(core: Core) -> dict[str, Any]:
    """Describe an app: its tasks and chats by name, and the routes in OpenAI's form."""
    schemas: dict[str, Any] = {"Error": _ERROR}
    paths: dict[str, Any] = {}
    for task in core.tasks.values():
        paths[f"/tasks/{task.name}"] = {"post": _describe_task(task, schemas)}
    for chat in core.chats.values():
        paths |= _describe_chat(chat)
    paths["/v1/models"] = {"get": _operation("The models: tasks, chats, and what is passed through", None, _object())}
    for path in ("/v1/chat/completions", "/v1/completions"):
        paths[path] = {"post": _operation("As OpenAI's, streamed or not", _object("model"), _object())}
    paths["/streams/{stream}"] = {"delete": _STOP}
    paths["/runs/{run}/decisions"] = {"post": _describe_decisions()}
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "declarai-like", "version": __version__},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if core.is_guarded:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _describe_task(served: ServedTask, schemas: dict[str, Any]) -> dict[str, Any]:
    takes = _lift_definitions(served.arguments.schema, served.name, schemas)
    gives = _TEXT if served.returns is None else _lift_definitions(served.returns, f"{served.name}.returns", schemas)
    operation = _operation(f"Call {served.name}", takes, _answer(gives), streams=True)
    if served.arguments.takes_files:
        operation["requestBody"]["content"]["multipart/form-data"] = {"schema": _object()}
    return {**operation, "parameters": [_FRAMES, _NAME, _LAST]}


def _describe_chat(served: ServedChat) -> dict[str, Any]:
    session = {"name": "session", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 64}}
    takes = {
        "type": "object",
        "properties": {"message": _TEXT, "values": served.values, "files": {"type": "array", "items": _object()}},
        "required": ["message", "values"] if served.required_names else ["message"],
    }
    path = f"/chats/{served.name}/{{session}}"
    send = _operation(f"Say something to {served.name}", takes, _answer(_ANY), streams=True)
    send["requestBody"]["content"]["multipart/form-data"] = {"schema": _object("message")}
    return {
        f"{path}/messages": {"post": {**send, "parameters": [session, _FRAMES, _NAME, _LAST]}},
        path: {
            "get": {**_operation("What was said", None, _object("messages")), "parameters": [session]},
            "delete": {"summary": "Forget it", "parameters": [session], "responses": {"204": {"description": "Done"}}},
        },
    }


def _describe_decisions() -> dict[str, Any]:
    takes = {
        "type": "object",
        "properties": {"round": {"type": "integer"}, "decisions": {"type": "object"}},
        "required": ["round", "decisions"],
    }
    run = {"name": "run", "in": "path", "required": True, "schema": _TEXT}
    decide = _operation("Decide about tool calls that wait, and go on", takes, _answer(_ANY), streams=True)
    return {**decide, "parameters": [run, _FRAMES, _NAME, _LAST]}


def _answer(value: dict[str, Any]) -> dict[str, Any]:
    words = {name: {"type": ["string", "null"]} for name in ("model", "finish_reason")}
    properties = {"value": value, "response": _TEXT, **words, "outcome": _TEXT, "usage": _USAGE}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _object(*required: str) -> dict[str, Any]:
    return {"type": "object", "required": list(required)} if required else {"type": "object"}


def _operation(summary: str, takes: Any, gives: Any, *, streams: bool = False) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": gives}}
    responses: dict[str, Any] = {"200": {"description": "The answer", "content": content}}
    if streams:
        content["text/event-stream"] = {"schema": _TEXT}
        waits = {"application/json": {"schema": _object("run", "round", "kind", "pending")}}
        responses["202"] = {"description": "Tool calls wait for decisions", "content": waits}
    error = {
        "description": "Why not",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    document: dict[str, Any] = {
        "summary": summary,
        "responses": {**responses, "default": error},
    }
    if takes is not None:
        document["requestBody"] = {"required": True, "content": {"application/json": {"schema": takes}}}
    return document


def _lift_definitions(schema: dict[str, Any], name: str, schemas: dict[str, Any]) -> Any:
    """Move the definitions of a schema to where OpenAPI has them, under names of the task's own."""
    for inner, definition in schema.get("$defs", {}).items():
        schemas[f"{name}.{inner}"] = _rewrite_references(definition, name)
    return _rewrite_references({key: value for key, value in schema.items() if key != "$defs"}, name)


def _rewrite_references(schema: Any, name: str) -> Any:
    if isinstance(schema, list):
        return [_rewrite_references(item, name) for item in schema]
    if isinstance(schema, str) and schema.startswith("#/$defs/"):
        return f"#/components/schemas/{name}.{schema.removeprefix('#/$defs/')}"
    if isinstance(schema, dict):
        return {key: _rewrite_references(value, name) for key, value in schema.items()}
    return schema
