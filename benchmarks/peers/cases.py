"""The rows of the comparison: what is measured, in which unit, and what is to be said when we are not ahead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One row: `scale` turns seconds or bytes into `unit`; rows that take long are measured in fewer rounds."""

    key: str
    title: str
    unit: str
    scale: float
    clock: str
    why: str = ""
    rounds: int = 5


US, MS, MB = ("µs", 1e6), ("ms", 1e3), ("MB", 1e-6)

CASES = (
    Case("import", "import", *MS, "wall"),
    Case("cold", "import to first answer", *MS, "wall"),
    Case("cold-cpu", "import to first answer", *MS, "CPU"),
    Case("call-str", "plain call, text", *US, "CPU"),
    Case("call-model", "plain call, small model", *US, "CPU"),
    Case("first", "first chunk, warm", *MS, "wall"),
    Case("first-cpu", "first chunk, warm", *MS, "CPU"),
    Case("text-1000", "text, per chunk of 1,000", *US, "CPU"),
    Case("text-10000", "text, per chunk of 10,000", *US, "CPU", rounds=2),
    Case("paced", "text, one event per read", *US, "CPU"),
    Case("partials-100", "structured, per chunk of 100", *US, "CPU"),
    Case("partials-1000", "structured, per chunk of 1,000", *US, "CPU"),
    Case("partials-5000", "structured, per chunk of 5,000", *US, "CPU", rounds=2),
    Case("many", "200 async streams, per chunk", *US, "CPU", rounds=2),
    Case(
        "retained",
        "10,000 chunks kept",
        *MB,
        "tracemalloc",
        why="who gives bare strings keeps less: each of our chunks keeps the provider's own chunk, usage and identity",
        rounds=1,
    ),
)

STARTING = ("import", "cold", "cold-cpu")
"""What a worker measures while it starts."""

ALSO = {"first": "first-cpu"}
"""Rows that are measured together with another."""

GROWTH = (("partials-100", 100), ("partials-1000", 1000), ("partials-5000", 5000))
"""The rows that show whether a chunk of a long structured stream costs more than one of a short."""

README = ("text-1000", "partials-5000", "call-str", "many", "first-cpu", "cold-cpu")
"""The columns of the short table, and the bars of the plot."""

QUICK = ("call-str", "call-model", "first", "text-1000", "partials-100", "partials-1000")
"""What a quick run measures, besides the start."""
