"""A real HTTP server on the loopback interface that answers by script, byte for byte."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections import deque
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from declarai_like.testing._http import RecordedRequest, head, http_chunk, read_request
from declarai_like.testing._kept_responses import KeptResponses
from declarai_like.testing._server_replies import Reply, error_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from declarai_like.testing._scripts import ScriptedReply

Script: TypeAlias = "Reply | ScriptedReply | str | Callable[[RecordedRequest], Reply | ScriptedReply | str]"

_POLL = 0.05  # seconds: while a reply waits for its gate, this often it looks whether the client is there
_LONG = 3600.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_JOIN_TIMEOUT = 5.0


class LLMServer:
    """Answers any client with the scripted replies, in order, one for each request.

        with LLMServer() as server:
            server.enqueue("Hello", tool_call("search", {"words": "x"}))
            client = OpenAI(base_url=server.base_url, api_key="any")

    A text, and what `reply`, `chunks`, `tool_call` and their kin make, is spelled in the format that the request asks
    for, streamed or whole: chat completions, Responses, Anthropic's Messages, Google's `generateContent`. A `Reply` is
    sent byte for byte.

    With `strict` it keeps the rules of those vendors for opaque state: each reply has some, and a later request that
    does not bring it back with that reply is refused with status 400, as DeepSeek does for `reasoning_content`, OpenAI
    for reasoning items, Anthropic for the signatures of thinking, Google for thought signatures. The state is made of
    what the reply says, so any strict server knows it again. Unless `store` is false a response is kept, as by OpenAI:
    a strict server goes on after it, and refuses a `previous_response_id` that it does not know.

    It listens on a free port of 127.0.0.1 in threads of its own, one for each connection, and keeps
    connections alive. When the script is used up `default` answers; without a `default` the
    request is refused with status 500 and a message that shows it. Either way it is in `requests`.
    A reply may be a function of the `RecordedRequest`; it runs in the connection's thread.
    """

    def __init__(self, *replies: Script, default: Script | None = None, strict: bool = False) -> None:
        self.default = default
        self.strict = strict
        self.requests: list[RecordedRequest] = []
        self._script: deque[Script] = deque(replies)
        self._kept = KeptResponses()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._clients: list[_Client] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._address: tuple[str, int] = self._listener.getsockname()
        self._thread = threading.Thread(target=self._accept, name="llm-server", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The server's root, without a path: the base of Azure's addresses."""
        return "http://{}:{}".format(*self._address)

    @property
    def base_url(self) -> str:
        """What OpenAI clients take as `base_url`."""
        return f"{self.url}/v1"

    @property
    def connections(self) -> int:
        """How many TCP connections have been accepted so far."""
        return len(self._clients)

    @property
    def pending(self) -> int:
        """How many scripted replies have not been asked for yet."""
        return len(self._script)

    def enqueue(self, *replies: Script, repeat: int = 1) -> None:
        """Add replies to the end of the script, all of them `repeat` times over."""
        self._script.extend(replies * repeat)

    def wait_requests(self, count: int, timeout: float = 5.0) -> bool:
        """Wait until that many requests have come in all; `False` when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.requests) >= count, timeout)

    def wait_disconnect(self, timeout: float = 5.0) -> bool:
        """Wait until the client closes the connection of the last request; `False` if it does not.

        `requests[-1].sent` then tells how many writes had gone out.
        """
        return self.requests[-1].disconnected.wait(timeout)

    def close(self) -> None:
        """Stop listening, break what is being sent, and wait for all threads; idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        # A connection of our own wakes `accept` on every platform; closing the listener does not.
        with contextlib.suppress(OSError):
            socket.create_connection(self._address, timeout=1).close()
        self._thread.join(_JOIN_TIMEOUT)
        self._listener.close()
        for client in self._clients:
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._closing.is_set():
                connection.close()
                return
            client = _Client(connection, len(self._clients), self._closing, self._answer)
            self._clients.append(client)
            client.start()

    def _answer(self, request: RecordedRequest) -> Reply:
        """Record a request and find the reply to it."""
        with self._changed:
            self.requests.append(request)
            refused = self._check_state(request) if self.strict else None
            if refused is not None:
                self._changed.notify_all()
                return refused
            script = self._script.popleft() if self._script else self.default
            self._changed.notify_all()
        if script is None:
            return _refusal(
                f"unexpected request, no reply is left: {request.method} {request.path} {request.raw!r:.500}"
            )
        try:
            told = script(request) if callable(script) else script
            return told if isinstance(told, Reply) else self._play(told, request)
        except Exception as error:
            return _refusal(f"the reply's function failed: {error!r}")

    def _play(self, script: ScriptedReply | str, request: RecordedRequest) -> Reply:
        """Spell a scripted reply in the format of its request."""
        from declarai_like.testing._format_choice import play

        return play(script, request, self._kept, signs=self.strict)

    def _check_state(self, request: RecordedRequest) -> Reply | None:
        """Give the refusal of a request that does not bring the replies' state back; the script stays as it is."""
        from declarai_like.testing._format_choice import check_state

        try:
            return check_state(request, self._kept)
        except Exception as error:
            return _refusal(f"the conversation could not be read: {error!r}")


class _Client:
    """One connection: reads its requests and sends their replies, in a thread of its own."""

    def __init__(
        self,
        connection: socket.socket,
        number: int,
        closing: threading.Event,
        answer: Callable[[RecordedRequest], Reply],
    ) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._number = number
        self._closing = closing
        self._answer = answer
        self._disconnected = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"llm-server-{number}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Break the connection and wait for its thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(_JOIN_TIMEOUT)

    def _serve(self) -> None:
        with self._socket:
            with contextlib.suppress(OSError), self._socket.makefile("rb") as stream:
                if not self._converse(stream):
                    return
            if not self._closing.is_set():
                self._disconnected.set()

    def _converse(self, stream: BinaryIO) -> bool:
        """Answer request after request; tell whether it was the client who ended it."""
        while request := read_request(stream, self._number, self._disconnected):
            reply = self._answer(request)
            try:
                self._send(reply, request)
            finally:
                request.done.set()
            if reply.end != "clean" or reply.framing == "eof" or not request.keeps_alive:
                return False
        return True

    def _send(self, reply: Reply, request: RecordedRequest) -> None:
        chunked = reply.framing == "chunked"
        length = len(reply.body) if reply.framing == "length" else 0
        self._watch(reply.delay_before)
        self._socket.sendall(head(reply, length))
        for number, data in enumerate(reply.writes):
            self._watch(reply.pause_between if number else 0.0)
            while reply.gate is not None and number >= reply.gate_after and not _wait_for_gate(reply.gate):
                self._watch(0.0)
            if data:  # an empty chunk would end the body
                self._socket.sendall(http_chunk(data) if chunked else data)
            request.sent += 1
        self._finish(reply, chunked=chunked)

    def _finish(self, reply: Reply, *, chunked: bool) -> None:
        while reply.end == "hang":
            self._watch(_LONG)
        if reply.end == "reset":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        elif chunked and reply.end == "clean":
            self._socket.sendall(http_chunk(b""))
        elif chunked and reply.end == "drop":
            self._socket.sendall(b"ff\r\n")

    def _watch(self, seconds: float) -> None:
        """Let `seconds` pass; raise `ConnectionAbortedError` as soon as the client is gone."""
        self._socket.settimeout(seconds)
        try:
            is_gone = not self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, TimeoutError):
            return  # a client that is still there has nothing to say
        finally:
            self._socket.settimeout(None)
        if is_gone:
            raise ConnectionAbortedError
        self._closing.wait(seconds)  # the next request has come already


def _wait_for_gate(gate: threading.Event | threading.Semaphore) -> bool:
    """Wait for the gate a short while."""
    return gate.wait(_POLL) if isinstance(gate, threading.Event) else gate.acquire(timeout=_POLL)


def _refusal(message: str) -> Reply:
    # The header keeps official clients from asking again.
    return error_reply(500, message, type="unscripted_request", headers={"x-should-retry": "false"})
