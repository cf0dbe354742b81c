"""Evaluations in files: what was measured before, and reports."""

from __future__ import annotations

import json
from pathlib import Path

from declarai_like.errors import ConfigurationError

__all__ = ["read_baseline", "write_report"]


def read_baseline(path: str) -> dict[str, dict[tuple[str, str], list[float]]]:
    """Read the scores of an earlier `declarai-like eval --json`, by model and case; an answer without one is left out.

    Raises `ConfigurationError` if the file is no such report.
    """
    try:
        runs = json.loads(Path(path).read_text("utf-8"))["runs"]
        baseline: dict[str, dict[tuple[str, str], list[float]]] = {}
        for run in runs:
            scores = baseline.setdefault(run["model"], {}).setdefault((run["task"], run["scenario"]), [])
            scores += [] if run["score"] is None else [float(run["score"])]
    except OSError as exc:
        raise ConfigurationError(f"cannot read {path!r}: {exc}").with_cause(exc) from None
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigurationError(
            f"{path} is no report of an evaluation: expected what `declarai-like eval --json` prints"
        ).with_cause(exc) from None
    return {llm: {case: scores for case, scores in cases.items() if scores} for llm, cases in baseline.items()}


def write_report(path: str, text: str) -> None:
    """Write a report; raises `ConfigurationError` if that cannot be done."""
    try:
        Path(path).write_text(text, "utf-8")
    except OSError as exc:
        raise ConfigurationError(f"cannot write {path!r}: {exc}").with_cause(exc) from None
