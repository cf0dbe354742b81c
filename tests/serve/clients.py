"""A served app on a loopback port, one that is asked without a server, and clients that see every byte."""

import asyncio
import http.client
import json
import re
import socket
import threading
import time
from dataclasses import dataclass

import uvicorn

EVENTS = {"Accept": "text/event-stream"}


@dataclass
class Reply:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    @property
    def events(self):
        return parse(self.body)

    @property
    def text(self):
        return "".join(data["delta"] for kind, data, _ in self.events if kind == "delta")


def parse(body):
    """Give the events of a stream as (type, data, id), and `[DONE]` as text."""
    events = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            data = fields["data"] if fields["data"] == "[DONE]" else json.loads(fields["data"])
            events.append((fields.get("event", "message"), data, fields["id"]))
    return events


class Site:
    """One app, served."""

    def __init__(self, app):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_keep_alive=1))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, **headers):
        """Make a request; a body that is no text is sent as JSON."""
        raw = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        values = {
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, raw, values)
            reply = connection.getresponse()
            return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def post(self, path, body, **headers):
        return self.ask("POST", path, body, **headers)

    def stream(self, path, body, **headers):
        return self.ask("POST", path, body, **EVENTS, **headers)

    def open(self, path, body, **headers):
        """Make a request by hand and leave its answer to be read bit by bit."""
        raw = json.dumps(body).encode()
        values = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": len(raw), **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in values.items())
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + raw)
        return Open(connection)

    def close(self):
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(10)
        self.listener.close()


class Open:
    """An answer that is being read."""

    def __init__(self, connection):
        self.connection = connection
        self.received = b""

    def until(self, mark):
        """Read until something has come; give all that has."""
        while mark.encode() not in self.received:
            data = self.connection.recv(65536)
            if not data:
                raise EOFError(self.received)
            self.received += data
        return self.received

    def ids(self):
        return re.findall(rb"^id: (\S+)$", self.received, re.MULTILINE)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Direct:
    """An app asked without a server, in the test's own event loop: what a client does is done by hand."""

    def __init__(self, app, path, body, headers=(), *, method="POST"):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        values = {"host": "localhost", "content-type": "application/json", **dict(headers)}
        path, _, query = path.partition("?")
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in values.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        self.incoming = asyncio.Queue()
        self.incoming.put_nowait({"type": "http.request", "body": raw, "more_body": False})
        self.sent = []
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.task = asyncio.ensure_future(app(self.scope, self.incoming.get, self._send))

    async def _send(self, message):
        self.sent.append(message)
        await self.may_send.wait()

    def leave(self):
        self.incoming.put_nowait({"type": "http.disconnect"})

    @property
    def status(self):
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self):
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    async def until(self, mark):
        await eventually(lambda: mark.encode() in self.body)


async def eventually(happened, seconds=15.0):
    """Wait until something is so."""
    ends = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < ends, "it did not happen"
        await asyncio.sleep(0.002)
