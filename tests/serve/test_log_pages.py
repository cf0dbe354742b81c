"""The pages of a call log: a table to look through, and each call with what was said."""

import re

import pytest

from declarai_like import serve
from declarai_like.errors import OutputError
from declarai_like.middleware import log
from declarai_like.middleware._call_log.store import CallLogStore
from declarai_like.testing import FakeLLM, reply

ATTACK = "<script>alert(1)</script>"


@pytest.fixture
def path(tmp_path):
    """Give a log of two calls, the last of which failed."""
    path = tmp_path / "calls.db"
    logged = log(path, content=True)
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}

    @FakeLLM([reply("5", usage=usage), f"{ATTACK} no number"]).task(middlewares=[logged])
    def rank(message: str) -> int:
        """Rank the severity"""

    rank("the shop is down")
    with pytest.raises(OutputError):
        rank(ATTACK)
    logged.close()
    return path


def numbers(text):
    return re.findall(r'<a href="/logs/(\d+)">', text)


def test_calls_are_shown_the_newest_first(site, path):
    answer = site(serve.app(log=path)).ask("GET", "/logs")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert numbers(answer.body.decode()) == ["2", "1"]
    assert "<td>3 + 4</td>" in answer.body.decode()
    assert '<span class="failed"' in answer.body.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("search=shop", ["1"]),
        ("failed=1", ["2"]),
        ("task=rank", ["2", "1"]),
        ("task=other", []),
        ("before=2", ["1"]),
        ("before=x", ["2", "1"]),
    ],
)
def test_calls_are_chosen_by_what_is_asked(site, path, query, found):
    text = site(serve.app(log=path)).ask("GET", f"/logs?{query}").body.decode()
    assert numbers(text) == found
    assert ("No calls." in text) == (not found)


def test_one_call_is_shown_with_what_was_said(site, path):
    text = site(serve.app(log=path)).ask("GET", "/logs/1").body.decode()
    assert "the shop is down" in text
    assert "<section><h2>answer</h2><pre>5</pre></section>" in text
    assert "<dt>outcome</dt><dd>complete</dd>" in text


def test_nothing_that_was_said_is_markup(site, path):
    served = site(serve.app(log=path))
    for address in ("/logs", "/logs/2", f"/logs?search={ATTACK}", f"/logs?task={ATTACK}"):
        assert ATTACK not in served.ask("GET", address.replace("<", "%3C").replace(">", "%3E")).body.decode()


def test_older_calls_are_a_page_further(site, tmp_path):
    store = CallLogStore(tmp_path / "many.db")
    store.create()
    store.add([{"at": 0.0, "task": "t", "outcome": "failed", "seconds": 1.0, "cost": 0.5} for _ in range(60)])
    served = site(serve.app(log=store.path))
    first = served.ask("GET", "/logs?failed=1&task=t")
    assert len(numbers(first.body.decode())) == 50
    (link,) = re.findall(r'<a href="(/logs\?[^"]*)">Older calls', first.body.decode())
    second = served.ask("GET", link.replace("&amp;", "&"))
    assert numbers(second.body.decode()) == [str(number) for number in range(10, 0, -1)]
    assert "$0.5000" in second.body.decode()


def test_a_log_without_content_says_so(site, tmp_path):
    store = CallLogStore(tmp_path / "bare.db")
    store.create()
    store.add([{"at": 0.0, "outcome": "complete", "seconds": 1.0}])
    assert "log(path, content=True)" in site(serve.app(log=store.path)).ask("GET", "/logs/1").body.decode()


def test_what_is_not_there_is_told(site, path, tmp_path):
    served = site(serve.app(log=path))
    assert served.ask("GET", "/logs/99").status == 404
    assert served.ask("GET", "/logs/x").status == 404
    assert site(serve.app(log=tmp_path / "none.db")).ask("GET", "/logs").status == 503
    assert site(serve.app()).ask("GET", "/logs").status == 404


def test_the_token_guards_the_log(site, path):
    served = site(serve.app(log=path, token="a-long-random-token"))
    assert served.ask("GET", "/logs").status == 401
    assert served.ask("GET", "/logs/1").status == 401
    assert served.ask("GET", "/logs", Authorization="Bearer a-long-random-token").status == 200
