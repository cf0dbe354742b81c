"""What stands twice, blocking and awaiting, says the same: compared after `await` and its kin are taken away."""

import ast
import inspect
import re
from textwrap import dedent

import pytest

from declarai_like import streams
from declarai_like._calls import runner
from declarai_like.providers import _bodies, _official_clients, transport

PAIRS = {
    "runner.run": (runner.run, runner.arun),
    "runner.stream": (runner.stream, runner.astream),
    "runner._perform": (runner._perform, runner._aperform),
    "runner._collect": (runner._collect, runner._acollect),
    "runner._perform_seldom": (runner._perform_seldom, runner._aperform_seldom),
    "runner._perform_local": (runner._perform_local, runner._aperform_local),
    "HTTPProvider.send": (transport.HTTPProvider.send, transport.HTTPProvider.asend),
    "HTTPProvider.stream": (transport.HTTPProvider.stream, transport.HTTPProvider.astream),
    "HTTPProvider._post": (transport.HTTPProvider._post, transport.HTTPProvider._post_async),
    "HTTPProvider._build": (transport.HTTPProvider._build, transport.HTTPProvider._build_async),
    "read_body": (_bodies.read_body, _bodies.aread_body),
    "read_refusal_body": (_bodies.read_refusal_body, _bodies.aread_refusal_body),
    "read_beginning": (_bodies.read_beginning, _bodies.aread_beginning),
    "bound_refusal": (_official_clients.bound_refusal, _official_clients.abound_refusal),
    "iter_body": (_bodies.iter_body, _bodies.aiter_body),
}
TWINS = {
    r"\b_acollect\b": "_collect",
    r"\ba(?=(?:run|stream|send|closing|enter|exit|next|iter|history|replace|add_messages|close|read)\b)": "",
    r"\ba(?=(?:drain|watched|used)\b)": "",
    r"\bcrew\.a(?=perform\b)": "crew.",
    r"\b(?<!crew\.)_?a(?=(?:perform|perform_local|perform_seldom)\b)": "_",
    r"\b_async_sleep\b": "_sleep",
    r"\b__a(?=(?:enter|exit|next|iter)__)": "__",
    r"\ba(?=(?:load|store)\b)": "",
    r"\ba(?=(?:iter_body|iter_bytes|read_body|read_refusal_body|read_beginning|bound_refusal|trace_connection)\b)": "",
    r"\b(_ask_key|_ask_headers|_fetch_media|_post|build)_async\b": r"\1",
    r"\bbuild_async_client\b": "build_client",
    r"\bself\._official\[\d\]": "self._official",
    r"\bAsync(?=[A-Z])": "",
    r"\b_build_async\b": "_build",
    r"\bStopAsyncIteration\b": "StopIteration",
    r"\btime\.sleep\b": "_sleep",
    r"\b_await_ticket\b": "_wait_for_ticket",
    r"\bawaiting\(\)": "blocking()",
    r"\bself\._http_clients\[\d\]": "self._http_clients",
}


class Plain(ast.NodeTransformer):
    """Takes away docstrings, `async` and `await`, and joins a loop that only yields to `yield from`."""

    def visit_AsyncFunctionDef(self, node):
        return self.visit(ast.FunctionDef(**{name: getattr(node, name) for name in node._fields}, lineno=0))

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        node.body = node.body[1:] if ast.get_docstring(node) else node.body
        node.returns = None  # the type checker compares these
        return node

    def visit_Await(self, node):
        return self.visit(node.value)

    def visit_AsyncWith(self, node):
        return self.visit(ast.With(items=node.items, body=node.body))

    def visit_AsyncFor(self, node):
        return self.visit(ast.For(target=node.target, iter=node.iter, body=node.body, orelse=node.orelse))

    def visit_For(self, node):
        self.generic_visit(node)
        match node.body:
            case [ast.Expr(ast.Yield(ast.Name(name)))] if ast.unparse(node.target) == name:
                return ast.Expr(ast.YieldFrom(node.iter))
        return node


def plain(function):
    """Give a function's source without what only says that it is awaited."""
    tree = Plain().visit(ast.parse(dedent(inspect.getsource(function))))
    text = ast.unparse(ast.fix_missing_locations(tree))
    for twin, name in TWINS.items():
        text = re.sub(twin, name, text)
    return text


def names_of(cls):
    return {name for name, value in vars(cls).items() if inspect.isfunction(value)}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_both_halves_say_the_same(pair):
    blocking, awaiting = map(plain, pair)
    assert awaiting == blocking


WAITING_APART = {"__init__", "_advance", "_read", "close", "fork"}
"""What threads and tasks do differently: how one waits for another's reading, how one wakes it, who may be cancelled."""


@pytest.mark.parametrize("name", sorted(names_of(streams.Stream) - WAITING_APART))
def test_both_streams_say_the_same(name):
    twin = {"__enter__": "__aenter__", "__exit__": "__aexit__", "__iter__": "__aiter__", "__next__": "__anext__"}
    awaiting = plain(getattr(streams.AsyncStream, twin.get(name, name)))
    assert awaiting == plain(getattr(streams.Stream, name))


def test_the_awaiting_stream_has_no_method_of_its_own():
    own = {name.replace("__a", "__") for name in names_of(streams.AsyncStream)} - {"aclose"}
    assert own == names_of(streams.Stream)
