"""The page and the short table, made from the results and from nothing else."""

from __future__ import annotations

import re
from statistics import median
from typing import TYPE_CHECKING, Any

from adapters import BASELINE, OURS
from cases import CASES, GROWTH, README, Case

if TYPE_CHECKING:
    from pathlib import Path

BY_KEY = {case.key: case for case in CASES}
EVEN = 1.05
"""Two medians that differ by less than this factor are called even."""
GROWS = 1.5
"""A stream whose chunk of 5,000 costs more than so many times one of 1,000 is called quadratic.

Machines that change their speed reach 1.34 where nothing grows.
"""


def write(results: dict[str, Any], root: Path, *, readme: bool = False) -> None:
    """Write the parts between the page's markers, the plots, and with `readme` the short table."""
    import plots

    page = root / "docs" / "benchmarks.md"
    page.write_text(filled(page.read_text("utf-8"), parts(results)), "utf-8")
    plots.draw(results, root / "docs" / "images")
    if readme:
        short = root / "README.md"
        short.write_text(filled(short.read_text("utf-8"), {"peers": short_table(results)}), "utf-8")


def parts(results: dict[str, Any]) -> dict[str, str]:
    """Give every generated part of the page by the name of its marker."""
    return {
        "bench:setting": setting(results),
        "bench:ratios": ratio_table(results),
        "bench:verdicts": verdict_table(results),
        "bench:spread": spread_table(results),
        "bench:growth": growth_table(results),
        "bench:clients": client_table(results),
    }


def filled(page: str, texts: dict[str, str]) -> str:
    """Replace what stands between `<!-- NAME -->` and `<!-- /NAME -->`; a marker that is not there stays away."""
    for name, text in texts.items():
        pattern = rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)"
        page = re.sub(pattern, lambda found, text=text: f"{found[1]}\n{text}\n\n{found[2]}", page, flags=re.DOTALL)
    return page


# Figures


def cell(results: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    return results["cases"].get(key, {}).get(name, {})


def ratio(results: dict[str, Any], key: str, name: str) -> float | None:
    """Give the median ratio to the official client, `None` where there is none or the client was wrong."""
    found = cell(results, key, name)
    if "wrong" in found or "failed" in found or not found.get("ratios"):
        return None
    return median(found["ratios"])


def figure(results: dict[str, Any], key: str, name: str) -> float | None:
    """Give the median figure in the unit of its row."""
    found = cell(results, key, name)
    if "wrong" in found or "failed" in found or not found.get("figures"):
        return None
    return median(found["figures"]) * BY_KEY[key].scale


def wrong(results: dict[str, Any], name: str) -> list[str]:
    """Give the rows in which a client was wrong or failed."""
    return [key for key, row in results["cases"].items() if {"wrong", "failed"} & set(row.get(name, {}))]


def number(value: float) -> str:
    """Give three significant digits at most."""
    if value >= 99.5:
        return f"{value:,.0f}"
    if value >= 9.95:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.0995 else f"{value:.2g}"


def shown(results: dict[str, Any], key: str, name: str) -> str:
    """Give what a table's cell says: a ratio, a dash, or that the client was wrong."""
    found = cell(results, key, name)
    if "wrong" in found:
        return "**wrong**"
    if "failed" in found:
        return "**failed**"
    value = ratio(results, key, name)
    return "-" if value is None else number(value)


# Tables


def table(head: list[str], rows: list[list[str]], *, left: int = 1) -> str:
    lines = [head, ["---"] * left + ["---:"] * (len(head) - left), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def measured(results: dict[str, Any]) -> list[Case]:
    return [case for case in CASES if case.key in results["cases"]]


def ratio_table(results: dict[str, Any]) -> str:
    names = list(results["peers"])
    head = ["", *(results["peers"][name]["title"] for name in names), "openai, absolute"]
    rows = []
    for case in measured(results):
        base = figure(results, case.key, BASELINE)
        cells = [marked(results, case.key, name) for name in names]
        rows.append([full(case), *cells, "-" if base is None else f"{number(base)} {case.unit}"])
    return table(head, rows)


def full(case: Case) -> str:
    """Give a row's title with its clock, where that is not the CPU's."""
    return case.title if case.clock == "CPU" else f"{case.title}, {case.clock}"


def marked(results: dict[str, Any], key: str, name: str) -> str:
    """Give the cell, in bold for who is ahead."""
    text = shown(results, key, name)
    return f"**{text}**" if name == best(results, key) else text


def best(results: dict[str, Any], key: str) -> str | None:
    """Give the client with the lowest ratio in a row."""
    ratios = {name: value for name in results["peers"] if (value := ratio(results, key, name)) is not None}
    return min(ratios, key=lambda name: ratios[name]) if ratios else None


def verdict_table(results: dict[str, Any]) -> str:
    rows = [[full(case), *verdict(results, case)] for case in measured(results)]
    return table(["", "ahead", "next, or why not ours"], rows, left=3)


def verdict(results: dict[str, Any], case: Case) -> list[str]:
    """Say who is ahead in a row, and by how much; where it is not us, say why."""
    titles = {name: results["peers"][name]["title"] for name in results["peers"]}
    ratios = {name: value for name in titles if (value := ratio(results, case.key, name)) is not None}
    ours = ratios.pop(OURS, None)
    if ours is None or not ratios:
        return ["-", "ours was not measured" if ours is None else "nobody else has it"]
    rival = min(ratios, key=lambda name: ratios[name])
    told = f"{titles[rival]} {number(ratios[rival])}, ours {number(ours)}"
    if ratios[rival] < ours / EVEN:
        return [titles[rival], f"{told}: {case.why or 'not explained yet'}"]
    return ["even" if ratios[rival] < ours * EVEN else titles[OURS], told]


def spread_table(results: dict[str, Any]) -> str:
    names = [name for name in results["peers"] if name != BASELINE]
    rows = [[full(case), *(spread(results, case.key, name) for name in names)] for case in measured(results)]
    return table(["", *(results["peers"][name]["title"] for name in names)], rows)


def spread(results: dict[str, Any], key: str, name: str) -> str:
    if ratio(results, key, name) is None:
        return shown(results, key, name)
    ratios = cell(results, key, name)["ratios"]
    return f"{number(min(ratios))} - {number(max(ratios))}" if len(ratios) > 1 else "once"


def growth_table(results: dict[str, Any]) -> str:
    head = [
        "",
        *(f"chunk of {count:,}" for _, count in GROWTH),
        "5,000 to 1,000",
        "grows",
        "values seen of 5,000 chunks",
    ]
    rows = []
    for name, peer in results["peers"].items():
        costs = [figure(results, key, name) for key, _ in GROWTH]
        if None not in costs:
            seen = f"{cell(results, 'partials-5000', name).get('seen', 0):,}"
            rows.append([peer["title"], *(f"{number(cost)} µs" for cost in costs), *grows(results, name), seen])
        elif any(shown(results, key, name) != "-" for key, _ in GROWTH):
            rows.append([peer["title"], *(shown(results, key, name) for key, _ in GROWTH), "", "", ""])
    return table(head, rows)


def grows(results: dict[str, Any], name: str) -> tuple[str, str]:
    """Compare a chunk of 5,000 with one of 1,000 of the same round.

    If a cost is a + b * length, the part of the former that is b * length is told.
    """
    pairs = zip(*(cell(results, key, name)["figures"] for key in ("partials-1000", "partials-5000")), strict=False)
    factor = median(of_5000 / of_1000 for of_1000, of_5000 in pairs)
    part = min(1.0, 1.25 * (1 - 1 / factor))
    return number(factor), f"quadratic, {part:.0%}" if factor > GROWS else "linear"


def client_table(results: dict[str, Any]) -> str:
    head = ["", "version", "on openai", "a structured stream shows", "chunks per CPU second", "10,000 chunks kept"]
    rows = []
    for name, peer in results["peers"].items():
        cost = figure(results, "many", name)
        kept = figure(results, "retained", name)
        rows.append(
            [
                peer["title"],
                peer["version"],
                peer["packages"].get("openai", "-"),
                peer["values"],
                "-" if cost is None else f"{1e6 / cost:,.0f}",
                "-" if kept is None else f"{number(kept)} MB",
            ]
        )
    return table(head, rows, left=4)


def short_table(results: dict[str, Any]) -> str:
    """Give the table of the README: a row for each client but the official one, which is 1 everywhere."""
    names = [name for name in results["peers"] if name != BASELINE]
    keys = [key for key in README if key in results["cases"]]
    rows = [[results["peers"][name]["title"], *(marked(results, key, name) for key in keys)] for name in names]
    return table(["openai = 1", *(full(BY_KEY[key]) for key in keys)], rows)


def setting(results: dict[str, Any]) -> str:
    host, load = results["machine"], results["load"]
    lacks = [
        f"- A dash for {peer['title']}: {'; '.join(dict.fromkeys(peer['lacks'].values()))}."
        for peer in results["peers"].values()
        if peer["lacks"]
    ]
    taken = (
        f"Taken on {results['taken']}: {results['rounds']} rounds in {results['seconds'] / 60:.0f} minutes, on "
        f"{host['processor']} with {host['cores']} cores, {host['system']}, Python {host['python']}. The load average "
        f"was {load['before'][0]:.1f} at the beginning and {load['after'][0]:.1f} at the end."
    )
    return "\n".join([taken, "", *lacks, *problems(results)])


def problems(results: dict[str, Any]) -> list[str]:
    """Tell what was wrong, and how."""
    return [
        f"- {results['peers'][name]['title']} is **{word}** in {BY_KEY[key].title}: {found[word]}."
        for key, row in results["cases"].items()
        for name, found in row.items()
        for word in ("wrong", "failed")
        if word in found
    ]


def plain(results: dict[str, Any]) -> str:
    """Give the ratios as a table for a terminal."""
    names = list(results["peers"])
    lines = [f"{'':36}" + "".join(f"{results['peers'][name]['title'].replace('`', ''):>17}" for name in names)]
    for case in measured(results):
        cells = "".join(f"{shown(results, case.key, name).strip('*'):>17}" for name in names)
        lines.append(f"{full(case):36}{cells}")
    return "\n".join([*lines, *problems(results)])
