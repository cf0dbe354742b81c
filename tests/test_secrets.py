"""A key is seen by the provider it is for, and by nobody else."""
# ruff: noqa: PLR0917 - parameters are fixtures and cases

import gc
import io
import logging
import pickle
import traceback
import weakref
from pathlib import Path

import pytest
from wire_format import ask, chunk, of_choices

import declarai_like as declarai
from declarai_like import errors
from declarai_like.providers import _log_redaction
from declarai_like.providers.base import Secret
from declarai_like.testing import (
    LLMServer,
    bytes_reply,
    chunks_reply,
    error_reply,
    json_reply,
    stream_reply,
    text_reply,
)

HERE = str(Path(__file__).parent)
CANARY = "sk-canary-0123456789abcdef"
ECHO = f"wrong key: {CANARY}"


class Owner:
    """What a key belongs to."""


@pytest.fixture
def llm(server):
    return declarai.openai(model="m", openai_token=CANARY, base_url=server.base_url, max_retries=0)


@pytest.fixture
def azure(server):
    return declarai.azure_openai("d", CANARY, server.url, "2024-02-01", max_retries=0)


@pytest.fixture
def logged():
    """All that any logger writes, at the level of every detail."""
    written, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(written), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def all_of(error):
    """Everything that an error may show: itself, its pickle, its evidence, our frames and their locals."""
    frames = [place for place in traceback.walk_tb(error.__traceback__) if HERE not in place[0].f_code.co_filename]
    assert frames
    shown = "".join(traceback.StackSummary.extract(iter(frames), capture_locals=True).format())
    shown += "".join(traceback.format_exception_only(error))
    evidence = repr(vars(error)) + repr(error) + str(error)
    chain = repr(error.__cause__) + repr(error.__context__)
    return shown + evidence + chain + repr(pickle.dumps(error))


REPLIES = {
    "in a refusal": error_reply(401, ECHO),
    "in a refusal's code": error_reply(400, "no", code=CANARY, type=CANARY),
    "in a refusal without a form": bytes_reply(ECHO.encode(), status=500, content_type="text/plain"),
    "in the middle of a web page": bytes_reply(
        b"<p>" + b"x" * 190 + ECHO.encode(), status=500, content_type="text/html"
    ),
    "in a header of a refusal": error_reply(
        401, "no", headers={"x-request-id": CANARY, "x-echo": CANARY, "www-authenticate": f"Bearer {CANARY}"}
    ),
    "in a redirect": error_reply(307, "moved", headers={"Location": f"http://elsewhere.invalid/?key={CANARY}"}),
    "in an error with status 200": json_reply({"error": {"message": ECHO, "code": CANARY}}),
    "in an error of text": json_reply({"error": ECHO}),
    "in a body that is no completion": json_reply({"detail": ECHO}),
    "in a web page with status 200": bytes_reply(ECHO.encode(), content_type="text/html"),
    "in a content type": bytes_reply(b"<html>", content_type=f"text/html; x={CANARY}"),
    "in an error event": bytes_reply(f'event: error\ndata: {{"message": "{ECHO}"}}\n\n'.encode()),
    "in an error inside the stream": chunks_reply([chunk("a"), {"error": {"message": ECHO}}]),
    "in the error of a choice": chunks_reply([chunk("a"), of_choices({"index": 0, "error": {"message": ECHO}})]),
    "in a broken event": bytes_reply(f"data: {{{ECHO}}}\n\n".encode()),
    "in a stream that breaks": stream_reply(
        ["a"], headers={"x-echo": CANARY}, finish_reason=None, end="drop", done=False
    ),
}


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_key_that_a_server_repeats_is_shown_to_nobody(way, llm, server, logged, reply, streaming):
    server.enqueue(reply)
    with pytest.raises(errors.DeclaraiError) as caught:
        ask(way, llm, streaming)
    assert server.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    assert "sk-canary" not in all_of(caught.value)
    assert logged.getvalue()
    assert "sk-canary" not in logged.getvalue()


def test_key_is_in_no_log_of_a_call_that_goes_well(way, llm, azure, server, logged):
    for one in (llm, azure):
        server.enqueue(text_reply("a", headers={"x-echo": CANARY}), stream_reply(["b"], headers={"x-echo": CANARY}))
        ask(way, one, streaming=False)
        ask(way, one, streaming=True)
    assert "sk-canary" not in logged.getvalue()
    assert server.requests[-1].headers["api-key"] == CANARY


def test_key_is_in_no_repr_and_no_pickle(llm, azure, server, monkeypatch):
    server.enqueue(text_reply("a"), text_reply("a"))
    for one in (llm, azure):
        one.send("Hi")
        shown = repr(one) + str(one) + repr(vars(one)) + repr(vars(one.llm)) + repr(vars(one.llm._clients))
        assert "sk-canary" not in shown
        assert CANARY.encode() not in pickle.dumps(one)


def test_response_does_not_hold_the_key(llm, server):
    server.enqueue(text_reply("a"))
    response = llm.send("Hi")
    assert CANARY.encode() not in pickle.dumps(response)
    assert "sk-canary" not in repr(dict(response))


@pytest.mark.parametrize("key", [CANARY + "\nX-Evil: 1", CANARY + "é"])
def test_key_that_cannot_be_sent_is_not_shown_either(way, server, key):
    llm = declarai.openai(model="m", openai_token=key, base_url=server.base_url)
    with pytest.raises(errors.ConfigurationError) as caught:
        ask(way, llm, streaming=False)
    assert "sk-canary" not in all_of(caught.value)
    assert server.requests == []


def test_client_that_cannot_be_built_does_not_show_the_key(server):
    llm = declarai.openai(model="m", openai_token=CANARY, base_url=server.base_url, http_client=object())
    with pytest.raises(errors.ConfigurationError) as caught:
        llm.send("Hi")
    assert "sk-canary" not in all_of(caught.value)


def test_request_that_cannot_be_sent_does_not_show_the_key(way, llm):
    with pytest.raises(errors.ConfigurationError) as caught:
        ask(way, llm, streaming=False, x=object())
    assert "sk-canary" not in all_of(caught.value)


def test_key_for_an_unknown_provider_is_not_shown():
    with pytest.raises(errors.ConfigurationError, match="unknown provider") as caught:
        declarai.Declarai(provider="nope", model="m", openai_token=CANARY)
    assert "sk-canary" not in all_of(caught.value)


def test_header_that_holds_a_secret_is_kept_like_the_key(way, server):
    headers = {"X-Api-Key": CANARY, "X-Team": "blue"}
    llm = declarai.openai(model="m", openai_token="other-key", base_url=server.base_url, headers=headers, max_retries=0)
    server.enqueue(error_reply(401, ECHO))
    with pytest.raises(errors.AuthenticationError) as caught:
        ask(way, llm, streaming=False)
    assert "sk-canary" not in all_of(caught.value)
    assert b"sk-canary" not in pickle.dumps(llm)
    assert pickle.loads(pickle.dumps(llm)).llm._headers == {"X-Team": "blue"}  # noqa: S301 - our own bytes
    assert server.requests[0].headers["X-Api-Key"] == CANARY


def test_key_never_goes_to_another_host(way, llm, server):
    with LLMServer() as other:
        server.enqueue(error_reply(307, "moved", headers={"Location": f"{other.base_url}/chat/completions"}))
        with pytest.raises(errors.BadRequestError):
            ask(way, llm, streaming=False)
        assert other.requests == []


def test_secret_shows_itself_to_nobody():
    secret = Secret(CANARY)
    assert (repr(secret), str(secret), f"{secret}") == ("Secret('**********')",) * 3
    assert Secret(secret).reveal() == CANARY
    assert bool(secret)
    assert not Secret("")
    with pytest.raises(errors.ConfigurationError, match="not pickled"):
        pickle.dumps(secret)


def test_secret_is_blanked_out_wherever_it_stands():
    value = {CANARY: [ECHO, 1, None, {"a": CANARY}]}
    stars = "**********"
    assert Secret(CANARY).redact(value) == {stars: [f"wrong key: {stars}", 1, None, {"a": stars}]}


def test_word_that_is_too_short_for_a_key_is_not_blanked_out():
    assert Secret("k").redact("kick") == "kick"
    assert Secret("").redact("kick") == "kick"


def test_key_that_begins_as_another_one_does_is_kept_out_whole(logged):
    owners = [Owner(), Owner()]
    for key, owner in zip((CANARY, CANARY[:8]), owners, strict=True):
        _log_redaction.keep_out(owner, Secret(key))
    logging.getLogger("httpx").debug("asked with %s", CANARY)
    assert logged.getvalue() == "asked with **********\n"


def test_log_that_has_no_key_is_left_as_it_is(logged):
    owner = Owner()
    _log_redaction.keep_out(owner, Secret(CANARY))
    logging.getLogger("httpx").debug("asked %s", "nobody")
    logging.getLogger("httpx").debug("asked with %s", CANARY)
    assert logged.getvalue() == "asked nobody\nasked with **********\n"


def test_key_in_a_logged_traceback_is_blanked_out(logged):
    owner = Owner()
    _log_redaction.keep_out(owner, Secret(CANARY))
    logging.getLogger("httpx").debug("it broke", exc_info=ValueError(ECHO))
    logging.getLogger("httpx").debug("it broke", exc_info=ValueError("nothing"))
    logging.getLogger("httpx").debug("it did not", exc_info=(None, None, None))
    assert "sk-canary" not in logged.getvalue()
    assert "ValueError: wrong key: **********" in logged.getvalue()
    assert "ValueError: nothing" in logged.getvalue()


def test_keys_of_tenants_that_are_gone_are_not_kept(logged):
    before = len(_log_redaction._FILTER._secrets)
    for number in range(20):
        llm = declarai.openai("m", openai_token=f"sk-tenant-{number:04}", base_url="http://127.0.0.1:9")
        _ = llm.llm._clients.blocking()
    gc.collect()
    assert len(_log_redaction._FILTER._secrets) <= before + 1
    logging.getLogger("httpx").debug("asked with sk-tenant-0019")
    assert logged.getvalue().endswith("asked with **********\n")


def test_key_of_an_owner_that_took_the_place_of_another_stays_kept_out(logged):
    first, second = Owner(), Owner()
    _log_redaction.keep_out(first, Secret(CANARY))
    gone = _log_redaction._FILTER._secrets[id(first)][0]
    _log_redaction._FILTER._secrets[id(second)] = (weakref.ref(second), (Secret(CANARY),))
    _log_redaction._FILTER._drop(id(second), gone)
    del first
    logging.getLogger("httpx").debug("asked with %s", CANARY)
    assert logged.getvalue() == "asked with **********\n"
