"""Rank 200 messages with the embedded model, kill it in the middle, and go on: `python examples/map_demo.py`."""

import csv
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
PLACES = ["shop", "app", "login page", "contact form", "newsletter", "search", "invoice page", "phone line"]
FAULTS = ["is down", "is slow", "has a typo", "shows an error", "looks old"]
WHO = ["for everybody", "for one customer", "on Mondays", "since the update", "in the evening"]
COMMAND = [sys.executable, "-m", "declarai_like", "map", f"{HERE}/severity.py:rank", "--model", "local"]


def finished(checkpoint: Path) -> int:
    """Count the rows in the checkpoint; its first line is no row."""
    return max(0, checkpoint.read_bytes().count(b"\n") - 1) if checkpoint.exists() else 0


def main(count: int = 200) -> None:
    folder = Path(tempfile.mkdtemp(prefix="map-demo-"))
    messages = [f"The {place} {fault} {who}" for place, fault, who in itertools.product(PLACES, FAULTS, WHO)][:count]
    command = [*COMMAND, str(folder / "rows.csv"), "-o", str(folder / "ranked.jsonl")]
    with (folder / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["message"], *([message] for message in messages)])

    first = subprocess.Popen(command)
    while finished(folder / "ranked.checkpoint.jsonl") < count // 2 and first.poll() is None:
        time.sleep(0.02)
    first.kill()
    first.wait()
    kept = finished(folder / "ranked.checkpoint.jsonl")
    print(f"\nkilled with {kept} of {count} rows in the checkpoint; now the same command again", flush=True)

    began = time.monotonic()
    subprocess.run(command, check=True)
    ranked = [json.loads(line) for line in (folder / "ranked.jsonl").open()]
    asked = finished(folder / "ranked.checkpoint.jsonl") - kept
    print(f"{len(ranked)} rows: {kept} from the checkpoint, {asked} asked in {time.monotonic() - began:.0f} s")
    assert len(ranked) == count == kept + asked


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
