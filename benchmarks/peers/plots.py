"""The plots of the page, as SVG: the same results give the same files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("svg")
from adapters import BASELINE, OURS
from cases import GROWTH, README
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter
from report import BY_KEY, figure, number, ratio, shown

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = {OURS: "#00695c", BASELINE: "#424242"}
OTHERS = ("#1565c0", "#ef6c00", "#6a1b9a", "#c62828", "#9e9d24", "#5d4037", "#00838f")
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
STYLE = {"svg.hashsalt": "declarai-like", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False}


def draw(results: dict[str, Any], folder: Path) -> None:
    """Write all plots into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({**STYLE, "axes.spines.right": False}):
        for name, plot in (("ratios", ratios), ("growth", growth), ("memory", memory)):
            chart = plot(results)
            chart.savefig(folder / f"bench-{name}.svg", metadata={"Date": None}, facecolor="white")
            plt.close(chart)


def title_of(results: dict[str, Any], name: str) -> str:
    return results["peers"][name]["title"].replace("`", "")


def colour(name: str) -> str:
    return COLOURS.get(name, "#b0bec5")


def ratios(results: dict[str, Any]) -> Any:
    """Six rows of the table as bars, on a logarithmic scale."""
    chart, axes = plt.subplots(3, 2, figsize=(9, 9), layout="constrained")
    names = list(results["peers"])[::-1]
    for key, axis in zip(README, axes.flat, strict=True):
        values = [ratio(results, key, name) for name in names]
        axis.barh(range(len(names)), [value or 0.001 for value in values], color=[colour(name) for name in names])
        for place, (name, value) in enumerate(zip(names, values, strict=True)):
            text = shown(results, key, name).strip("*")
            axis.text((value or 0.03) * 1.1, place, text, va="center", fontsize=8, bbox=BEHIND)
        axis.axvline(1, color="#424242", linewidth=0.8, linestyle=":", zorder=0)
        axis.set_xscale("log")
        axis.minorticks_off()
        axis.set_xlim(0.03, max(value or 0 for value in values) * 3)
        axis.set_yticks(range(len(names)), [title_of(results, name) for name in names])
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_title(f"{BY_KEY[key].title} ({BY_KEY[key].clock})", fontsize=9)
    chart.suptitle("Cost as a ratio to openai in the same round; shorter is better, the scale is logarithmic")
    return chart


def growth(results: dict[str, Any]) -> Any:
    """What a chunk of a structured stream costs, by the length of the stream."""
    chart, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
    others = iter(OTHERS)
    for name in results["peers"]:
        costs = [figure(results, key, name) for key, _ in GROWTH]
        if None in costs:
            continue
        line = COLOURS.get(name) or next(others)
        style = {"linewidth": 2.5} if name == OURS else {"linestyle": "--"} if name == BASELINE else {}
        axis.plot([count for _, count in GROWTH], costs, marker="o", color=line, label=title_of(results, name), **style)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.minorticks_off()
    axis.set_xticks([count for _, count in GROWTH], [f"{count:,}" for _, count in GROWTH])
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xlabel("chunks of the stream")
    axis.set_ylabel("CPU per chunk, µs")
    axis.set_title("Structured streams: where the line rises, the whole is quadratic (openai: text only)", fontsize=9)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return chart


def memory(results: dict[str, Any]) -> Any:
    """What 10,000 chunks hold when they are kept."""
    names = [name for name in list(results["peers"])[::-1] if figure(results, "retained", name) is not None]
    values = [figure(results, "retained", name) for name in names]
    chart, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
    axis.barh([title_of(results, name) for name in names], values, color=[colour(name) for name in names])
    for place, value in enumerate(values):
        axis.text(value, place, f" {number(value)} MB", va="center", fontsize=8)
    axis.set_xlabel("MB held (tracemalloc) by everything that a stream of 10,000 chunks gave")
    return chart
