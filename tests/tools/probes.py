"""The thirteen questions that a loop of tools is asked, and what the peers answered when they were asked on one server."""

from dataclasses import dataclass

PEERS = ("pydantic-ai", "openai-agents", "langchain", "magentic", "mirascope 2", "llm", "Vercel 6")


@dataclass(frozen=True)
class Probe:
    """One question; `ours` is what must be seen here, `peers` what was seen there (in the order of PEERS)."""

    number: int
    asked: str
    ours: str
    peers: tuple[str, ...]


PROBES = [
    Probe(
        1,
        "two calls in one answer",
        "parallel",
        ("parallel", "parallel", "parallel", "second call lost", "in turn", "in turn", "parallel"),
    ),
    Probe(
        2,
        "a tool raises",
        "shown with type and text",
        ("run aborts", "shown, text hidden", "aborts", "aborts", "shown", "shown", "shown"),
    ),
    Probe(
        3,
        "one raises, its sibling runs",
        "sibling ends, both shown",
        ("aborts, sibling cut off", "ok", "aborts after the effect", "aborts", "ok", "ok", "ok"),
    ),
    Probe(
        4,
        "argument of a wrong type",
        "shown with path, not run",
        ("shown", "text hidden", "shown", "aborts", "shown", "runs with 5.5 for str", "shown"),
    ),
    Probe(
        5,
        "arguments that are no JSON",
        "shown, nothing run",
        ("shown", "text hidden", "'' is the answer", "aborts", "shown", "JSONDecodeError", "shown"),
    ),
    Probe(6, "unknown tool", "shown with the names", ("shown", "aborts", "shown", "aborts", "shown", "shown", "shown")),
    Probe(
        7,
        "cut by the token limit",
        "nothing run, OutputTruncated",
        ("executed", "executed", "executed", "executed", "executed", "executed", "not run, '' and no error"),
    ),
    Probe(
        8,
        "stream cut before its end",
        "nothing run, StreamInterrupted",
        ("executed", "executed", "executed", "executed", "not run, silent ''", "executed", "not run, error"),
    ),
    Probe(
        9, "same id twice", "both run, ids of their own", ("aborts", "aborts", "both", "aborts", "both", "both", "both")
    ),
    Probe(10, "arguments are an empty text", "run without arguments", ("ok",) * 7),
    Probe(
        11,
        "endless calls",
        "LimitExceeded after 10 requests",
        ("50 requests", "10 requests", "9,999 allowed", "none by itself", "own loop", "none", "1 step, ''"),
    ),
    Probe(
        12,
        "text, then a call, streamed",
        "text kept, call run, answer given",
        ("the text is the answer", "ok", "ok", "tool never run", "ok", "ok", "ok"),
    ),
    Probe(
        13,
        "an approval resumed twice",
        "run once",
        ("twice", "twice", "twice, the sibling too", "-", "-", "-", "twice"),
    ),
]
