"""The pages of a call log: a table to look through, and each call with what was said."""

import re

import pytest

from declarai_like import serve
from declarai_like.errors import OutputError
from declarai_like.middleware import log
from declarai_like.middleware._call_log.store import CallLogStore
from declarai_like.testing import FakeLLM, chunks, reply, tool_call

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


@pytest.fixture
def with_tools(tmp_path):
    """Give the log of one call of two requests, the first of which calls two tools; it is streamed."""

    def weather(city: str) -> str:
        """Tell the weather"""
        return f"{city}: {ATTACK}"

    def boom() -> str:
        """Fail"""
        raise ValueError("on fire")

    logged = log(tmp_path / "calls.db", content=True)
    calls = [("weather", {"city": "Rome"}), ("boom", {})]

    @FakeLLM([reply(calls=calls), chunks("It ", "is ", "warm.")]).task(
        tools=[weather, boom], streaming=True, middlewares=[logged]
    )
    def ask(question: str) -> str:
        """Answer: {question}"""

    list(ask("Rome?"))
    logged.close()
    return tmp_path / "calls.db"


def test_the_tools_of_a_call_are_a_tree(site, with_tools):
    running = site(serve.app(log=with_tools))
    first, second = (running.ask("GET", f"/logs/{number}").body.decode() for number in (1, 2))
    assert "<strong>request 1: calls" in first
    assert '<a href="/logs/1">request 1: calls' in second
    shown = second.partition('<ul class="tree">')[2].partition("</ul></section>")[0]
    assert "<code>weather({&quot;city&quot;: &quot;Rome&quot;})</code> gave <code>Rome: &lt;script&gt;" in shown
    assert "<code>boom({})</code> gave <code>ValueError: on fire</code>" in shown
    assert ATTACK not in first + second


def test_a_stream_is_drawn_as_it_came(site, with_tools):
    text = site(serve.app(log=with_tools)).ask("GET", "/logs/2").body.decode()
    assert "11 characters: the first after 0." in text
    points = text.partition('points="')[2].partition('"')[0].split()
    assert len(points) == 4
    assert points[-1].endswith(",0.0")


def test_without_content_tools_are_names(site, tmp_path):
    logged = log(tmp_path / "calls.db")

    def weather(city: str) -> str:
        """Tell the weather"""
        return "warm"

    @FakeLLM([tool_call("weather", {"city": "Rome"}), "warm"]).task(tools=[weather], middlewares=[logged])
    def ask(question: str) -> str:
        """Answer: {question}"""

    ask("Rome?")
    logged.close()
    text = site(serve.app(log=tmp_path / "calls.db")).ask("GET", "/logs/1").body.decode()
    assert "<code>weather()</code></li>" in text
    assert "Rome" not in text


def test_one_request_without_tools_has_no_tree_and_no_chart(site, path):
    text = site(serve.app(log=path)).ask("GET", "/logs/1").body.decode()
    assert "tree" not in text
    assert "<svg" not in text
