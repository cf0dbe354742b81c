"""Measure this library against the official client: `python benchmarks/bench.py [--check] [--quick] [--only NAME]`.

Each figure comes from a fresh process; the official client's and ours take turns, and a ratio is taken turn by
turn. The server has a process of its own and prepared answers. Costs are CPU seconds of the client's process unless
the row says otherwise. A lost chunk or a wrong text always ends with status 1, a missed limit with `--check`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
SCALES = {"us": 1e6, "ms": 1e3, "MB": 1e-6, "/s": 1.0, "": 1.0}
SHAPES = ("flat", "nested", "recursive")
PACKAGES = ("declarai-like", "openai", "httpx2", "httpx", "h11", "jiter", "pydantic")


@dataclass
class Row:
    """One line of the table: what we run, and the limit for it."""

    name: str
    command: str
    limit: float | None = None
    at_least: bool = False  # the limit is a lower one
    absolute: bool = False  # the limit is for the figure itself, not for its ratio
    figures: list[float] = field(default_factory=list)
    problem: str = ""


@dataclass
class Group:
    """Rows that share a baseline, which runs once in each turn."""

    unit: str
    baseline: str
    rows: list[Row]
    turns: int = 5
    figures: list[float] = field(default_factory=list)


def groups() -> list[Group]:
    text = Row("text, 1,000 chunks", "our_stream text-1000", 0.13)
    through_one = Row("text, 1,000, one middleware", "our_stream_through_one text-1000", 0.13)
    through_three = Row("text, 1,000, three middlewares", "our_stream_through_three text-1000", 0.13)
    observed = Row("text, 1,000, observed chunk by chunk", "our_stream_observed text-1000")
    long_text = Row("text, 10,000 chunks", "our_stream text-10000", 0.13)
    read_text = Row("text, 10,000, all .response read", "our_stream_with_text text-10000")
    paced = Row("text, 1,000, one event per read", "our_stream paced-text-1000", 0.36)
    to_library = Row("text, 1,000, to HTTP library alone", "our_stream text-1000", 1.7)
    paced_to_library = Row("one event per read, to HTTP library", "our_stream paced-text-1000", 2.0)
    short = [Row(f"typed partials, 100, {shape}", f"our_partials {shape}-100", 0.35) for shape in SHAPES]
    long = [Row(f"typed partials, 5,000, {shape}", f"our_partials {shape}-5000", 0.30) for shape in SHAPES]
    vendors = [
        Row("Google, 1,000 events, to chat's", "our_google text-1000", 1.5),
        Row("Anthropic, 1,000 events, to chat's", "our_anthropic text-1000", 1.5),
        Row("Responses, 1,000 events, to chat's", "our_responses text-1000", 1.5),
    ]
    vendors_paced = [
        Row(f"{name}, one event per read, to chat's", f"our_{name.lower()} paced-text-1000", 1.5)
        for name in ("Google", "Anthropic", "Responses")
    ]
    calls = [
        Row("plain call, str", "our_call str", 0.45),
        Row("plain call, int", "our_call int", 0.75),
        Row("plain call, small model", "our_call small", 0.50),
    ]
    tools = Row("one tool round, to two plain calls", "tool_round str", 1.3, absolute=True)
    first = Row("first chunk, warm", "our_first text-3", 0.40)
    events = Row("event stream, to helper's", "our_events text-1000", 0.20)
    many = Row("200 async streams, chunks/s, wall", "our_many text-200", 5.0, at_least=True)
    rows = Row("1,000 rows of 50 ms, 64 at a time, wall", "our_rows late-str", 1.2)
    rows_cpu = Row("1,000 rows, CPU for each row", "our_rows_cpu late-str", 1.0)
    starts = [
        Row("import, wall", "startup ours", 0.06),
        Row("import, provider, ten tasks, wall", "startup tasks", 0.30),
    ]
    kept = Row("10,000 responses kept, traced", "our_retained text-10000", 10e6, absolute=True)
    reused = Row("connections of 20 streams in a row", "our_connections text-10", 1, absolute=True)
    return [
        Group("us", "raw_stream text-1000", [text, through_one, through_three, observed]),
        Group("us", "raw_stream text-10000", [long_text, read_text]),
        Group("us", "raw_stream paced-text-1000", [paced], turns=3),
        Group("us", "library_alone text-1000", [to_library]),
        Group("us", "library_alone paced-text-1000", [paced_to_library], turns=3),
        Group("us", "our_stream text-1000", vendors),
        Group("us", "our_stream paced-text-1000", vendors_paced, turns=3),
        Group("us", "raw_stream flat-100", short),
        Group("us", "raw_stream flat-5000", long),
        Group("us", "raw_call str", calls, turns=11),
        Group("", "", [tools], turns=7),
        Group("us", "raw_first text-3", [first]),
        Group("us", "helper_events text-1000", [events]),
        Group("/s", "raw_many text-200", [many], turns=3),
        Group("us", "raw_rows late-str", [rows], turns=5),
        Group("us", "raw_rows_cpu late-str", [rows_cpu], turns=5),
        Group("ms", "startup openai", starts, turns=7),
        Group("MB", "", [kept], turns=1),
        Group("", "raw_connections text-10", [reused], turns=1),
    ]


# Installed packages come with their bytecode; a checkout writes its own at the first run, unless this forbids it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def measure(command: str, url: str) -> float:
    """Run one measurement in a fresh process; raises `RuntimeError` that says what went wrong."""
    case, model = command.split()
    script = ["startup.py", model] if case == "startup" else ["clients.py", case, model, url]
    process = subprocess.run(
        [sys.executable, *script], cwd=HERE, capture_output=True, text=True, check=False, timeout=120, env=ENVIRONMENT
    )
    if process.returncode:
        raise RuntimeError("FAILED: " + (process.stderr.strip() or "no message").splitlines()[-1])
    figure = json.loads(process.stdout)
    if figure is None:
        raise RuntimeError("skipped: it does not exist yet")
    return float(figure)


def take(group: Group, url: str, most: int) -> None:
    """Let the baseline and our rows take turns; a row that fails once is out."""
    for _ in range(min(most, group.turns)):
        if group.baseline:
            group.figures.append(measure(group.baseline, url))
        for row in group.rows:
            if not row.problem:
                try:
                    row.figures.append(measure(row.command, url))
                except RuntimeError as error:
                    row.problem = str(error)


def verdict(row: Row, figure: float) -> str:
    if row.limit is None:
        return ""
    return "pass" if (figure >= row.limit if row.at_least else figure <= row.limit) else "MISS"


def show(group: Group) -> list[str]:
    """Print the rows of a group and return their verdicts."""
    verdicts = []
    scale = SCALES[group.unit]
    for row in group.rows:
        if row.problem:
            verdicts.append("" if row.problem.startswith("skipped") else "FAILED")
            print(f"{row.name:36} {row.problem}", flush=True)
            continue
        ours = statistics.median(row.figures)
        base = statistics.median(group.figures) if group.figures else None
        ratios = [mine / other for mine, other in zip(row.figures, group.figures, strict=False)]
        ratio = statistics.median(ratios) if ratios else None
        verdicts.append(verdict(row, ours if row.absolute or ratio is None else ratio))
        line(
            row.name,
            f"{ours * scale:.1f}" if group.unit else f"{ours:.3f}",
            "" if base is None else f"{base * scale:.1f}",
            group.unit,
            "" if ratio is None else f"{ratio:.3f}",
            f"{min(ratios):.3f}-{max(ratios):.3f}" if len(ratios) > 1 else "",
            limit_of(row, scale),
            verdicts[-1],
        )
    return verdicts


def limit_of(row: Row, scale: float) -> str:
    if row.limit is None:
        return ""
    return f"{'>=' if row.at_least else '<='} {row.limit * scale if row.absolute else row.limit:g}"


def line(*columns: str) -> None:
    print("{:36} {:>9} {:>9} {:3} {:>7} {:>13} {:>8}  {}".format(*columns), flush=True)


def show_growth(done: list[Group]) -> list[str]:
    """Print what a chunk of a long typed stream costs, to one of a short."""
    rows = {row.name: row for group in done for row in group.rows if row.figures and not row.problem}
    verdicts = []
    for shape in SHAPES:
        pair = [rows.get(f"typed partials, {count}, {shape}") for count in ("5,000", "100")]
        if all(pair):
            long, short = (statistics.median(row.figures) for row in pair)
            verdicts.append("pass" if long <= short else "MISS")
            name = f"typed, chunk of 5,000 to 100, {shape}"
            line(name, f"{long * 1e6:.1f}", f"{short * 1e6:.1f}", "us", f"{long / short:.3f}", "", "<= 1", verdicts[-1])
    return verdicts


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Run the server; give its address."""
    command = [sys.executable, "server.py"]
    with subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(server.pid, {max(os.sched_getaffinity(0))})
        yield server.stdout.readline().strip()  # leaving closes its standard input, which ends it


def show_setting() -> None:
    versions = []
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions.append(f"{package} {version(package)}")
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    print(", ".join(versions))
    line("per chunk or call", "ours", "official", "", "ratio", "from - to", "limit", "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="end with status 1 when a target is missed")
    parser.add_argument("--quick", action="store_true", help="two turns each instead of up to eleven")
    parser.add_argument("--only", default="", metavar="NAME", help="only rows that have NAME in their name")
    options = parser.parse_args()
    started = time.perf_counter()
    show_setting()
    done, verdicts = groups(), []
    for group in done:
        group.rows = [row for row in group.rows if options.only in row.name]
    if not any(group.rows for group in done):
        parser.error(f"no row has {options.only!r} in its name")
    with serving() as url:
        for group in filter(lambda group: group.rows, done):
            take(group, url, 2 if options.quick else 7)
            verdicts += show(group)
    verdicts += show_growth(done)
    missed, failed = verdicts.count("MISS"), verdicts.count("FAILED")
    print(f"{time.perf_counter() - started:.0f} seconds; {missed} missed, {failed} failed")
    return 1 if "FAILED" in verdicts or (options.check and "MISS" in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
