"""Errors: each tells whose fault it was, what came, and what to do; none is a stranger's."""
# ruff: noqa: S301 - what is unpickled here was pickled here
# ruff: noqa: S603 - it runs this interpreter
# ruff: noqa: PLR0917 - parameters are fixtures and cases

import pickle
import re
import socket
import ssl
import subprocess
import sys
import threading
import traceback
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest
from wire_format import ask

import declarai_like as declarai
from declarai_like import errors
from declarai_like._wire.error_classes import class_of
from declarai_like._wire.retry_waits import retry_wait
from declarai_like.completions import Choice, Completion, CompletionMessage
from declarai_like.responses import Attempt, LLMResponse
from declarai_like.testing import bytes_reply, error_reply, json_reply, stream_reply, text_reply

SELF_SIGNED = Path(__file__).parent / "tls"


def told(way, llm, streaming, kind):
    with pytest.raises(kind) as caught:
        ask(way, llm, streaming)
    error = caught.value
    assert type(error) is kind
    cause = error.__cause__  # what the network said, and nothing of the libraries between
    assert cause is None or (isinstance(cause, OSError) and cause.__traceback__ is cause.__context__ is None)
    assert error.__context__ is None
    shown = "".join(traceback.format_exception(error))
    assert not [name for name in ("httpx", "httpcore", "openai.", "ssl.", "socket.") if f"\n{name}" in shown]
    return error


both = pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])


# Refusals


@both
@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (400, errors.BadRequestError, "answered 400: why"),
        (401, errors.AuthenticationError, "check the key"),
        (403, errors.AuthenticationError, "may not use this model"),
        (404, errors.NotFoundError, "check the model's name and the base_url"),
        (408, errors.ProviderTimeout, "408"),
        (409, errors.BadRequestError, "409"),
        (422, errors.BadRequestError, "422"),
        (429, errors.RateLimited, "wait"),
        (500, errors.ServerError, "500"),
        (529, errors.ServerError, "529"),
    ],
)
def test_refusal_is_told(way, llm, server, streaming, status, kind, advice):
    server.enqueue(error_reply(status, "why", code="c", type="t", headers={"x-request-id": "r1", "Retry-After": "7"}))
    error = told(way, llm, streaming, kind)
    assert (error.status, error.code, error.type, error.request_id) == (status, "c", "t", "r1")
    assert (error.retry_after, error.response, error.completion) == (7.0, None, None)
    assert error.body["error"]["message"] == "why"
    assert advice in str(error)
    assert server.base_url in str(error)
    assert len(server.requests) == 1


def test_quota_that_is_used_up_cannot_be_waited_for(way, llm, server):
    server.enqueue(error_reply(429, "You exceeded your current quota", code="insufficient_quota"))
    error = told(way, llm, False, errors.RateLimited)
    assert not error.retryable
    assert "no quota is left" in str(error)
    assert errors.RateLimited("x").retryable


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (bytes_reply(b"<h1>Bad gateway</h1>", content_type="text/html", status=502), "text/html '<h1>Bad gateway"),
        (bytes_reply(b"", status=503), "nothing"),
        (json_reply({"error": "just words"}, status=500), "just words"),
        (json_reply({"message": "plain"}, status=500), "plain"),
        (json_reply({"detail": "else"}, status=500), "else"),
        (bytes_reply(b"[1]", content_type="application/json", status=500), "[1]"),
        (json_reply({"error": {"message": None, "code": [1], "type": 5}}, status=500), "500"),
    ],
)
def test_refusal_in_any_form_is_told(way, llm, server, reply, words):
    server.enqueue(reply)
    assert words in str(told(way, llm, False, errors.ServerError))


@both
def test_redirect_is_not_followed(way, llm, server, streaming):
    server.enqueue(error_reply(307, "moved", headers={"Location": "http://elsewhere.invalid/v1"}))
    error = told(way, llm, streaming, errors.BadRequestError)
    assert "http://elsewhere.invalid/v1" in str(error)
    assert "base_url" in str(error)
    assert len(server.requests) == 1


# No connection


def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@both
def test_refused_connection_is_told(way, openai, streaming):
    llm = openai(base_url=f"http://127.0.0.1:{closed_port()}/v1")
    error = told(way, llm, streaming, errors.ProviderConnectionError)
    assert error.phase == "connect"
    assert "could not reach openai at http://127.0.0.1" in str(error)


@both
def test_unknown_host_is_told(way, openai, streaming):
    error = told(way, openai(base_url="http://no-such-host.invalid/v1"), streaming, errors.ProviderConnectionError)
    assert "no-such-host.invalid" in str(error)


@both
@pytest.mark.parametrize("base_url", ["localhost:1234/v1", "http://[/v1", "ftp://x/v1"])
def test_address_that_is_none_is_told(way, openai, streaming, base_url):
    with pytest.raises(errors.DeclaraiError) as caught:
        ask(way, openai(base_url=base_url), streaming)
    assert base_url in str(caught.value)


@both
def test_server_that_nobody_vouches_for_is_not_asked(way, openai, streaming):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SELF_SIGNED / "cert.pem", SELF_SIGNED / "key.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection, pytest.raises(OSError):
            context.wrap_socket(connection, server_side=True)

    thread = threading.Thread(target=serve)
    thread.start()
    llm = openai(base_url=f"https://127.0.0.1:{listener.getsockname()[1]}/v1")
    error = told(way, llm, streaming, errors.ProviderConnectionError)
    thread.join()
    listener.close()
    assert "certificate" in str(error).lower()
    assert error.phase == "connect"


@both
@pytest.mark.parametrize("end", ["drop", "reset", "no_terminator"])
def test_connection_that_is_lost_is_told(way, llm, server, streaming, end):
    server.enqueue(bytes_reply([], end=end))
    error = told(way, llm, streaming, errors.ProviderConnectionError)
    assert "lost the connection" in str(error)


# What they are


EVIDENCE = {
    "response": LLMResponse(response="Hel", outcome="interrupted"),
    "completion": Completion(choices=(Choice(message=CompletionMessage(content="Hel")),)),
    "attempts": (Attempt(ValueError("x"), "text"),),
}
FACTS = {
    "status": 429,
    "code": "c",
    "type": "t",
    "request_id": "r",
    "retry_after": 1.5,
    "phase": "stream",
    "body": {"a": 1},
}


def everything(error):
    return type(error), str(error), {name: value for name, value in vars(error).items() if name != "attempts"}


@pytest.mark.parametrize(
    "error",
    [
        errors.DefinitionError("m"),
        errors.MissingExtra("m"),
        errors.ProviderError("m", **FACTS, **EVIDENCE),
        errors.RateLimited("m", **FACTS),
        errors.StreamInterrupted("m", **EVIDENCE),
        errors.OutputError("m", **EVIDENCE),
        errors.OutputTruncated("m", partial=[1], **EVIDENCE),
        errors.HistoryWriteError("m", response=EVIDENCE["response"], value=3),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_survives_pickling_with_its_evidence(error):
    again = pickle.loads(pickle.dumps(error))
    assert everything(again) == everything(error)
    assert len(getattr(again, "attempts", ())) == len(getattr(error, "attempts", ()))


def test_errors_are_of_one_family():
    classes = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(cls, errors.DeclaraiError) for cls in classes)
    assert issubclass(errors.MissingExtra, ImportError)
    assert errors.DeclaraiError().message == ""
    assert errors.DeclaraiError("m").message == "m"


def test_every_error_is_drawn_in_the_tree():
    drawn = errors.__doc__
    assert [name for name in errors.__all__ if f" {name}" not in drawn and name != "DeclaraiError"] == []


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (None, None, errors.ProviderError),
        (None, "insufficient_quota", errors.RateLimited),
        (None, "what", errors.ProviderError),
        (None, 5, errors.ProviderError),
        (200, None, errors.ProviderError),
        (302, None, errors.BadRequestError),
        (418, None, errors.BadRequestError),
        (599, None, errors.ServerError),
    ],
)
def test_class_is_found_by_status_or_code(status, code, kind):
    assert class_of(status, code) is kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "-250"}, 0.0),
        ({"retry-after-ms": "x", "retry-after": "2"}, 2.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}, 0.0),
    ],
)
def test_wait_that_is_asked_for_is_read(headers, seconds):
    assert retry_wait(headers) == seconds


def test_wait_may_be_a_date():
    when = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=60), usegmt=True)
    assert 55 < retry_wait({"retry-after": when}) <= 60


def test_error_of_a_call_shows_no_stranger_in_its_traceback(openai):
    script = f"import declarai_like as d; d.openai('m', openai_token='sk-canary-1', base_url='http://127.0.0.1:{closed_port()}/v1', max_retries=0).send('Hi')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.strip().splitlines()[-1].startswith("declarai_like.errors.ProviderConnectionError: could not")
    assert not re.search(r"site-packages.(?!declarai_like)", done.stderr)
    assert "another exception" not in done.stderr


def test_result_after_an_error_is_the_next_answers_own(way, llm, server):
    server.enqueue(error_reply(500), text_reply("fine"), stream_reply(["fine"]))
    told(way, llm, False, errors.ServerError)
    assert ask(way, llm, False).response == "fine"
    assert ask(way, llm, True) == "fine"
    assert isinstance(llm, declarai.Declarai)
