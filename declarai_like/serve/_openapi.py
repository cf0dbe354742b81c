"""The OpenAPI description of a served app, made of the signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._version import __version__
from declarai_like.serve._event_frames import FRAMES

if TYPE_CHECKING:
    from declarai_like.serve._core import Core
    from declarai_like.serve._served import ChatDoor, TaskDoor

__all__ = ["openapi_of"]

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


_STOP = {
    "summary": "Stop a stream, by the name that its X-Stream-Id told",
    "parameters": [{"name": "stream", "in": "path", "required": True, "schema": _TEXT}],
    "responses": {"204": {"description": "Stopped"}},
}


def openapi_of(core: Core) -> dict[str, Any]:
    """Describe an app: its tasks and chats by name, and the routes in OpenAI's form."""
    schemas: dict[str, Any] = {"Error": _ERROR}
    paths: dict[str, Any] = {}
    for task in core.tasks.values():
        paths[f"/tasks/{task.name}"] = {"post": _task(task, schemas)}
    for chat in core.chats.values():
        paths |= _chat(chat)
    paths["/v1/models"] = {"get": _operation("The models: tasks, chats, and what is passed through", None, _object())}
    for path in ("/v1/chat/completions", "/v1/completions"):
        paths[path] = {"post": _operation("As OpenAI's, streamed or not", _object("model"), _object())}
    paths["/streams/{stream}"] = {"delete": _STOP}
    told: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "declarai-like", "version": __version__},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if core.is_guarded:
        told["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        told["security"] = [{"token": []}]
    return told


def _task(door: TaskDoor, schemas: dict[str, Any]) -> dict[str, Any]:
    takes = _lifted(door.arguments.schema, door.name, schemas)
    gives = _TEXT if door.returns is None else _lifted(door.returns, f"{door.name}.returns", schemas)
    return {**_operation(f"Call {door.name}", takes, _answer(gives), streams=True), "parameters": [_FRAMES, _LAST]}


def _chat(door: ChatDoor) -> dict[str, Any]:
    session = {"name": "session", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 64}}
    takes = {
        "type": "object",
        "properties": {"message": _TEXT, "values": door.values},
        "required": ["message", "values"] if door.open_names else ["message"],
    }
    here = f"/chats/{door.name}/{{session}}"
    says = _operation(f"Say something to {door.name}", takes, _answer(_ANY), streams=True)
    return {
        f"{here}/messages": {"post": {**says, "parameters": [session, _FRAMES, _LAST]}},
        here: {
            "get": {**_operation("What was said", None, _object("messages")), "parameters": [session]},
            "delete": {"summary": "Forget it", "parameters": [session], "responses": {"204": {"description": "Done"}}},
        },
    }


def _answer(value: dict[str, Any]) -> dict[str, Any]:
    words = {name: {"type": ["string", "null"]} for name in ("model", "finish_reason")}
    properties = {"value": value, "response": _TEXT, **words, "outcome": _TEXT, "usage": _USAGE}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _object(*required: str) -> dict[str, Any]:
    return {"type": "object", "required": list(required)} if required else {"type": "object"}


def _operation(summary: str, takes: Any, gives: Any, *, streams: bool = False) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": gives}}
    if streams:
        content["text/event-stream"] = {"schema": _TEXT}
    error = {
        "description": "Why not",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    told: dict[str, Any] = {
        "summary": summary,
        "responses": {"200": {"description": "The answer", "content": content}, "default": error},
    }
    if takes is not None:
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": takes}}}
    return told


def _lifted(schema: dict[str, Any], name: str, schemas: dict[str, Any]) -> Any:
    """Move the definitions of a schema to where OpenAPI has them, under names of the task's own."""
    for inner, definition in schema.get("$defs", {}).items():
        schemas[f"{name}.{inner}"] = _pointed(definition, name)
    return _pointed({key: value for key, value in schema.items() if key != "$defs"}, name)


def _pointed(schema: Any, name: str) -> Any:
    if isinstance(schema, list):
        return [_pointed(item, name) for item in schema]
    if isinstance(schema, str) and schema.startswith("#/$defs/"):
        return f"#/components/schemas/{name}.{schema.removeprefix('#/$defs/')}"
    return {key: _pointed(value, name) for key, value in schema.items()} if isinstance(schema, dict) else schema
