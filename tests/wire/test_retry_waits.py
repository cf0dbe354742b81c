"""How long the other side asks to wait, wherever it says so."""

from datetime import datetime, timedelta, timezone

import pytest

from declarai_like._wire.retry_waits import retry_wait
from declarai_like.errors import RateLimited
from declarai_like.testing import error_reply, json_reply


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "1s"}, 1.0),
        ({"retry-after": "6m0s"}, 360.0),
        ({"retry-after": "12ms"}, 0.012),
        ({"x-ratelimit-reset-tokens": "3.2s"}, 3.2),
        ({"x-ratelimit-reset-tokens": "3.2s", "x-ratelimit-remaining-tokens": "0"}, 3.2),
        ({"x-ratelimit-reset-tokens": "3.2s", "x-ratelimit-remaining-tokens": "17"}, None),
        ({"x-ratelimit-reset-requests": "1m", "x-ratelimit-reset-tokens": "2s"}, 60.0),
        ({"x-ratelimit-reset": "7", "x-ratelimit-remaining": "0"}, 7.0),
        ({"ratelimit-reset": "7"}, 7.0),
        ({"x-ratelimit-reset": "1000000000"}, 0.0),
        ({"x-ratelimit-reset": "1000000000000"}, 0.0),
        ({"x-ratelimit-reset-requests": "soon"}, None),
        ({"retry-after": "2", "x-ratelimit-reset-tokens": "9s"}, 2.0),
        ({"x-request-id": "7"}, None),
    ],
)
def test_headers_tell_the_wait(headers, seconds):
    assert retry_wait(headers) == seconds


def test_a_limit_that_is_used_up_tells_its_moment():
    when = (datetime.now(timezone.utc) + timedelta(seconds=90)).isoformat().replace("+00:00", "Z")
    names = ("anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-remaining")
    assert 60 < retry_wait(dict(zip(names, (when, "0"), strict=True))) <= 90
    assert retry_wait(dict(zip(names, (when, "8"), strict=True))) is None


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit reached. Please try again in 3.2s. Visit the page.", 3.2),
        ("Please try again in 6m0s.", 360.0),
        ("try again in 12ms", 0.012),
        ("Please retry in 39.8 seconds.", 39.8),
        ("You must wait 1 minute and 5 seconds", 65.0),
        ("Limit resets in 2h", 7200.0),
        ("Please wait.", None),
        ("Used 1500 of 2000 tokens, requested 700", None),
        ("We tried again. It took 5 s", None),
        ("", None),
    ],
)
def test_words_tell_the_wait(message, seconds):
    assert retry_wait({}, None, message) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3.2s"}]}}, 3.2),
        ([{"error": {"details": [{"retryDelay": "7s"}]}}], 7.0),
        ({"error": {"metadata": {"retry_after": 5}}}, 5.0),
        ({"error": {"retry_after_ms": 250}}, 0.25),
        ({"error": {"retry_after": None}}, None),
        ({"error": {"retry_after": "soon"}}, None),
        ("nothing", None),
    ],
)
def test_a_body_tells_the_wait(body, seconds):
    assert retry_wait({}, body) == seconds


@pytest.mark.parametrize(
    "reply",
    [
        json_reply({"error": {"code": 429, "message": "slow", "details": [{"retryDelay": "3.2s"}]}}, status=429),
        error_reply(429, "Rate limit reached. Please try again in 3.2s.", code="rate_limit_exceeded"),
        error_reply(429, "Rate limit", headers={"x-ratelimit-reset-tokens": "3.2s"}),
        error_reply(429, "slow", headers={"Retry-After": "3.2s"}),
    ],
)
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
def test_the_wait_stands_on_the_error(server, openai, reply, streaming):
    server.enqueue(reply)
    with pytest.raises(RateLimited) as caught, openai().stream("x") as stream:
        stream.until_done() if streaming else openai().send("x")
    assert caught.value.retry_after == 3.2
