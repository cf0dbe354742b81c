"""A server that does as servers should not: `odd_server.py KIND`; it speaks a version with a handshake."""

import json
import sys
import time

KIND = sys.argv[1]
OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}}
SCHEMAS = {
    "nonsense": {"type": "object", "properties": {"a": {"type": "nonsense"}}},
    "remote": {"type": "object", "properties": {"a": {"$ref": "https://127.0.0.1:1/schema.json"}}},
    "array": {"type": "array"},
}
RESULTS = {
    "wrong": {"content": 3},
    "mixed": {
        "content": [
            {"type": "text", "text": "one"},
            {"type": "resource", "resource": {"uri": "x://1", "text": "two"}},
            {"type": "resource", "resource": {"uri": "x://2", "blob": "MTIz"}},
            {"type": "resource_link", "uri": "x://3", "name": "three"},
        ]
    },
    "silent": {"content": [], "isError": True},
    "undeclared": {"content": [{"type": "text", "text": "no data"}]},
}


def answer(method, params):
    if method == "initialize":
        return {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}, "resources": {}},
            "serverInfo": {"name": "odd", "version": "1"},
        }
    if method == "tools/list":
        more = {"outputSchema": {"type": "object"}} if KIND == "undeclared" else {}
        hints = {"annotations": {"readOnlyHint": True}}
        tools = [{"name": "do", "inputSchema": SCHEMAS.get(KIND, OBJECT), **hints, **more}]
        listed = {"tools": tools * 2 if KIND == "twice" else tools}
        return {**listed, "nextCursor": "again"} if KIND == "endless pages" else listed
    if method == "tools/call":
        if KIND == "deaf":
            time.sleep(600)
        return RESULTS.get(KIND, {"content": [{"type": "text", "text": "done"}]})
    return {"contents": []} if method == "resources/read" else None


for line in sys.stdin:
    message = json.loads(line)
    if KIND == "noise":
        sys.stdout.write("\nthis is no message\n")
    if KIND == "flood":
        sys.stdout.write("x" * 70_000_000)
    if "id" in message:
        result = answer(message["method"], message.get("params"))
        told = {"error": {"code": -32601, "message": "no such method"}} if result is None else {"result": result}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **told}) + "\n")
        sys.stdout.flush()
