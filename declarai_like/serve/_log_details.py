"""What the page of one call shows beside its text: its requests with their tools, and when its text came."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from declarai_like.middleware._call_log.store import LoggedCall

__all__ = ["chart_of", "tree_of"]

_WIDTH, _HEIGHT = 600, 80


def tree_of(requests: Sequence[LoggedCall], shown: int) -> str:
    """Show the requests of one call, below each the tools that its answer called and what they gave.

    It is left out where there is one request only, and no tool.
    """
    if len(requests) < 2 and not any("tool_calls" in one for one in requests):  # noqa: PLR2004 - more than one
        return ""
    items = "".join(
        _request_item(one, later, shown) for one, later in zip(requests, [*requests[1:], None], strict=True)
    )
    return f'<section><h2>Requests and tools</h2><ul class="tree">{items}</ul></section>'


def _request_item(call: LoggedCall, later: LoggedCall | None, shown: int) -> str:
    number = call["id"]
    words = f"request {number}: {escape(call['outcome'])}, {call['seconds']:.2f} s"
    title = f"<strong>{words}</strong>" if number == shown else f'<a href="/logs/{number}">{words}</a>'
    tools = "".join(f"<li>{item}</li>" for item in _tool_items(call, later))
    return f"<li>{title}{f'<ul>{tools}</ul>' if tools else ''}</li>"


def _tool_items(call: LoggedCall, later: LoggedCall | None) -> Iterator[str]:
    called = call.get("tool_calls", ())  # a provider may have sent anything as a name
    messages = [] if later is None else later.get("messages", [])
    results = [message["content"] for message in messages if message["role"] == "tool"][-len(called) :]
    for place, one in enumerate(called):
        spelled = f"<code>{escape(str(one['name']))}({escape(str(one.get('arguments', '')))})</code>"
        given = f" gave <code>{escape(results[place])}</code>" if len(results) == len(called) else ""
        yield spelled + given


def chart_of(call: LoggedCall) -> str:
    """Draw how the text of a stream has grown; nothing for an answer that came whole."""
    chunks = call.get("chunks", ())
    if not chunks:
        return ""
    seconds, characters = max(call["seconds"], 1e-9), max(chunks[-1][1], 1)
    points = " ".join(f"{_WIDTH * at / seconds:.1f},{_HEIGHT * (1 - so_far / characters):.1f}" for at, so_far in chunks)
    pause = max((later[0] - one[0] for one, later in pairwise(chunks)), default=0.0)
    told = (
        f"{chunks[-1][1]} characters: the first after {chunks[0][0]:.2f} s, the last after {chunks[-1][0]:.2f} s, "
        f"no pause longer than {pause:.2f} s"
    )
    return (
        f'<section><h2>When the text came</h2><svg class="chunks" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{told}" preserveAspectRatio="none"><polyline points="0,{_HEIGHT} {points}"/></svg>'
        f"<p>{told}.</p></section>"
    )
