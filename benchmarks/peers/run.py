"""Measure the clients of this field side by side: `python benchmarks/peers/run.py [--quick] [--readme]`.

Each client has an environment of its own (in `.bench/`, brought to the newest versions first). In each round every
client gets a fresh process, and for each row all of them take turns, so that they share the machine's noise. A
figure is a ratio to the official client in the same round; the median of the rounds counts. The results go to
`benchmarks/peers/results.json`, and from there to `docs/benchmarks.md` and its plots; `--report` only does the latter.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import platform
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import environments
import report
from adapters import BASELINE, NAMES, OURS, adapter
from cases import ALSO, CASES, QUICK, STARTING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PATIENCE = 150
"""Seconds that one measurement may take."""


class Worker:
    """A client's process; one that fails to answer in time is ended. What it says besides goes to a log."""

    def __init__(self, name: str, python: Path, url: str, logs: Path) -> None:
        self.name = name
        command = [str(python), str(HERE / "worker.py"), name, url, adapter(name).IMPORT.strip()]
        with (logs / f"{name}.log").open("w") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environments.ENVIRONMENT
            )
        self.started = self.reply()

    def measure(self, case: str, seconds: float) -> dict[str, Any]:
        if self.process.poll() is not None:
            return {"failed": "its process has ended"}
        self.process.stdin.write(json.dumps([case, seconds]).encode() + b"\n")
        self.process.stdin.flush()
        return self.reply()

    def reply(self) -> dict[str, Any]:
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        if not ready:
            self.process.kill()
            return {"failed": f"it took more than {PATIENCE} seconds"}
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"failed": "its process has ended"}

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Run the server, on the last core where that can be chosen; give its address."""
    command = [sys.executable, str(HERE / "serve.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(server.pid, {max(os.sched_getaffinity(0))})
        yield server.stdout.readline().strip()  # leaving closes its standard input, which ends it


def one_round(number: int, pythons: dict[str, Path], url: str, keys: list[str], seconds: float) -> dict[str, Any]:
    """Take every measurement once, for all clients in turn; another client begins in each round."""
    names = list(pythons)
    names = names[number % len(names) :] + names[: number % len(names)]
    found: dict[str, dict[str, Any]] = {key: {} for key in (*STARTING, *keys)}
    with contextlib.ExitStack() as stack:
        workers = []
        for name in names:
            worker = Worker(name, pythons[name], url, environments.cache())
            stack.callback(worker.close)
            workers.append(worker)
            for key in STARTING:
                if key not in adapter(name).LACKS:
                    found[key][name] = outcome(worker.started, key)
        for key in keys:
            for worker in workers:
                if key not in adapter(worker.name).LACKS:
                    found[key][worker.name] = reply = worker.measure(key, seconds)
                    if key in ALSO:
                        found.setdefault(ALSO[key], {})[worker.name] = outcome(reply.pop("also", reply), ALSO[key])
    return found


def outcome(reply: dict[str, Any], key: str) -> dict[str, Any]:
    """Give one of several figures of a reply, or what went wrong with all of them."""
    return {"figure": reply[key]} if key in reply else reply


def rounds(count: int, minutes: float, pythons: dict[str, Path], url: str, *, quick: bool) -> list[dict[str, Any]]:
    """Take so many rounds, or fewer if the time would not be enough."""
    began = last = time.monotonic()
    done: list[dict[str, Any]] = []
    for number in range(count):
        asked = [case for case in CASES if case.key not in (*STARTING, *ALSO.values())]
        keys = [case.key for case in asked if number < case.rounds]
        keys = [key for key in keys if key in QUICK] if quick else keys
        done.append(one_round(number, pythons, url, keys, 0.1 if quick else 0.25))
        now = time.monotonic()
        print(f"round {number + 1} of {count}: {now - last:.0f} seconds", flush=True)
        if 2 * now - last - began > minutes * 60:
            break
        last = now
    return done


def gathered(done: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Turn rounds into rows: for each case and client its figures, its ratios, what was seen and what went wrong."""
    rows: dict[str, dict[str, Any]] = {}
    for found in done:
        for key, replies in found.items():
            base = replies.get(BASELINE, {}).get("figure")
            for name, reply in replies.items():
                cell = rows.setdefault(key, {}).setdefault(name, {"figures": [], "ratios": []})
                if "figure" in reply:
                    cell["figures"].append(reply["figure"])
                    if base:
                        cell["ratios"].append(reply["figure"] / base)
                cell.update({name: value for name, value in reply.items() if name != "figure"})
    return rows


def machine() -> dict[str, Any]:
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        processor = next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def described(name: str, python: Path) -> dict[str, Any]:
    module = adapter(name)
    found = environments.versions(python, module.PACKAGE)
    return {
        "title": module.TITLE,
        "version": found.pop(module.PACKAGE, "") if name not in (BASELINE, "helper") else found["openai"],
        "packages": found,
        "values": module.VALUES,
        "lacks": module.LACKS,
    }


def prepare(names: list[str], *, quick: bool, install: bool) -> dict[str, Path]:
    """Give each client's interpreter: its own environment's, or for a quick run the one that runs this."""
    if quick:
        return {name: Path(sys.executable) for name in names}
    environments.cache()
    for environment, requirements in {adapter(name).ENVIRONMENT: adapter(name).REQUIREMENTS for name in names}.items():
        if install or not environments.python_of(environment).exists():
            print(f"installing {environment}", flush=True)
            environments.install(environment, requirements)
    return {name: environments.python_of(adapter(name).ENVIRONMENT) for name in names}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    names = [OURS, BASELINE, "helper"] if options.quick else list(NAMES)
    pythons = prepare(names, quick=options.quick, install=not options.no_install)
    taken, load = dt.datetime.now(dt.timezone.utc), os.getloadavg()
    began = time.monotonic()
    with serving() as url:
        done = rounds(options.rounds or (2 if options.quick else 5), options.minutes, pythons, url, quick=options.quick)
    return {
        "taken": taken.strftime("%Y-%m-%d"),
        "quick": options.quick,
        "rounds": len(done),
        "seconds": round(time.monotonic() - began),
        "machine": machine(),
        "load": {"before": [round(one, 2) for one in load], "after": [round(one, 2) for one in os.getloadavg()]},
        "peers": {name: described(name, python) for name, python in pythons.items()},
        "cases": gathered(done),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="ours and openai only, here; writes nothing")
    parser.add_argument("--rounds", type=int, help="how many rounds (5, or 2 when quick)")
    parser.add_argument("--minutes", type=float, default=17, help="begin no round that would end later")
    parser.add_argument("--no-install", action="store_true", help="take the environments as they are")
    parser.add_argument("--report", action="store_true", help="write the page from the last results, measure nothing")
    parser.add_argument("--readme", action="store_true", help="write the short table into README.md as well")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text("utf-8")) if options.report else measure(options)
    print(report.plain(results))
    if not options.quick:
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
        report.write(results, environments.ROOT, readme=options.readme)
    return 1 if report.wrong(results, OURS) else 0


if __name__ == "__main__":
    sys.exit(main())
