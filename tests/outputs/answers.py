"""Ask each case of a file of answers in every way: `python tests/outputs/answers.py [FILE]` prints a table.

A verdict is *right*, an *error* where a value was wanted, or *wrong*: any other value, a crash, a way that ends
otherwise than the others, a partial value that does not grow, or thinking that is shown as the answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from importlib import util
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter

from declarai_like.errors import OutputError
from declarai_like.testing import FakeLLM, chunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

HERE = Path(__file__).parent
OWN = HERE / "answers.json"
LONG = 1000
DECLARED: dict[Any, tuple[FakeLLM, Any, Any]] = {}
VERDICTS = ("right", "error", "wrong")


class Case:
    """One text, and what may be read out of it."""

    def __init__(self, told: dict[str, Any], types: ModuleType) -> None:
        self.id: str = told["id"]
        self.group: str = told["group"]
        self.type = types.type_of(told["type"])
        self.text: str = told["text"]
        adapter = TypeAdapter(self.type)
        self.values = [adapter.validate_json(json.dumps(value)) for value in told["values"]]
        self.may_fail: bool = told["error"]
        self.reasoning: str | None = told.get("reasoning")
        self.hidden: list[str] = told.get("hidden", [])
        self.checks_partials: bool = told.get("partials", True)
        self._key = (types, told["type"], told.get("reading"))
        self.options: dict[str, Any] = {"reading": told["reading"]} if "reading" in told else {}

    def task(self, pieces: Sequence[str] = (), *, waits: bool = False) -> Any:
        """Give a task of the type, on a model that gives the text, whole or in pieces."""
        llm, task, atask = self._declared()
        llm.enqueue(chunks(*pieces) if pieces else self.text)
        return atask if waits else task

    def _declared(self) -> tuple[FakeLLM, Any, Any]:
        """Declare the tasks, once for all cases of a type."""
        if self._key not in DECLARED:

            def answer(question: str) -> Any:
                """Answer the question"""

            async def aanswer(question: str) -> Any:
                """Answer the question"""

            answer.__annotations__["return"] = aanswer.__annotations__["return"] = self.type
            llm = FakeLLM()
            DECLARED[self._key] = llm, llm.task(**self.options)(answer), llm.task(**self.options)(aanswer)
        return DECLARED[self._key]

    def pieces(self) -> list[str]:
        """Cut the text at random places."""
        chance, rest, pieces = random.Random(self.id), self.text, []  # noqa: S311 - no secret
        while rest:
            size = chance.choice((1, 2, 5, 30))
            pieces.append(rest[:size])
            rest = rest[size:]
        return pieces or [""]


def read_cases(path: Path = OWN) -> list[Case]:
    """Read a file of cases with the types beside it."""
    spec = util.spec_from_file_location(f"answer_types_of_{path.parent.name}", path.with_name("answer_types.py"))
    types = sys.modules[spec.name] = util.module_from_spec(spec)
    spec.loader.exec_module(types)
    return [Case(told, types) for told in json.loads(path.read_text(encoding="utf-8"))["cases"]]


def judge(case: Case) -> tuple[str, str]:
    """Ask a case in every way; give the verdict and what there is to say of it."""
    ends = {"whole": whole(case), "whole, awaited": asyncio.run(awaited(case))}
    shown: list[Any] = []
    ends["streamed"], seen = streamed(case, shown, case.pieces())
    by_character: list[Any] = []
    if len(case.text) <= LONG:
        ends["streamed by character"], _ = streamed(case, by_character, list(case.text) or [""])
    verdicts = {way: verdict(case, end) for way, end in ends.items()}
    if len({(type(end), repr(end)) for end in ends.values() if not isinstance(end, OutputError)}) > 1:
        return "wrong", f"the ways differ: {ends}"
    if "wrong" in verdicts.values() or len(set(verdicts.values())) > 1:
        return "wrong", repr(ends)
    if case.reasoning is not None and seen:
        return "wrong", seen
    end = ends["streamed"]
    if not isinstance(end, Exception) and case.checks_partials:
        stages = [*pairwise([*shown, end]), *pairwise([*by_character, end])]
        bad = next((each for each in stages if not grows(*each)), None)
        if bad is not None:
            return "wrong", f"it does not grow: {bad}"
    if any(hidden in repr(value) for hidden in case.hidden for value in [*shown, *by_character]):
        return "wrong", "it shows what is hidden"
    return verdicts["whole"], repr(ends["whole"])


def verdict(case: Case, end: Any) -> str:
    """Judge how one way has ended."""
    if isinstance(end, OutputError):
        return "right" if case.may_fail else "error"
    return "right" if any(end == value and type(end) is type(value) for value in case.values) else "wrong"


def whole(case: Case) -> Any:
    """Ask for the whole answer; give its value, or what was raised."""
    try:
        return case.task()("?")
    except Exception as error:  # a crash is a verdict too
        return error


async def awaited(case: Case) -> Any:
    """Await the whole answer; give its value, or what was raised."""
    try:
        return await case.task(waits=True)("?")
    except Exception as error:  # a crash is a verdict too
        return error


def streamed(case: Case, shown: list[Any], pieces: Sequence[str]) -> tuple[Any, str]:
    """Stream the answer and keep what is shown; give its end, and what is wrong with its thinking."""
    deltas: list[str] = []
    stream = case.task(pieces).stream("?")
    try:
        with stream:
            for event in stream:
                if event.type == "content.delta":
                    deltas.append(event.delta)
                    shown.append(event.parsed)
            end = stream.result()
    except Exception as error:  # a crash is a verdict too
        end = error
    response = stream.response
    told = "" if response is None else response.reasoning or ""
    wanted = case.reasoning or ""
    if wanted not in told:
        return end, f"{wanted!r} is not in the reasoning {told!r}"
    answer = "".join(deltas) + ("" if response is None else response.response)
    return end, f"{wanted!r} is shown as the answer" if wanted and wanted in answer else ""


def grows(before: Any, after: Any) -> bool:  # noqa: PLR0911 - one kind of value after the other
    """Say whether `after` is `before` with more of it; the last six characters of an open text may change."""
    if before is None:
        return True
    if isinstance(before, str) and type(before) is type(after):
        return bool(after.startswith(before[:-6] if len(before) > 6 else ""))
    if isinstance(before, BaseModel) and type(before) is type(after):
        return all(grows(getattr(before, name), getattr(after, name)) for name in before.model_fields_set)
    if isinstance(before, dict) and isinstance(after, dict):
        return all(name in after and grows(value, after[name]) for name, value in before.items())
    if isinstance(before, (list, tuple)) and type(before) is type(after):
        return len(before) <= len(after) and all(map(grows, before, after))
    if isinstance(before, (set, frozenset)):
        return before <= after
    if hasattr(before, "__dataclass_fields__") and type(before) is type(after):
        return all(grows(value, getattr(after, name)) for name, value in vars(before).items())
    return bool(before == after)


def table(cases: list[Case]) -> Iterator[str]:
    """Give the lines of the table, then what is not right."""
    judged = [(case, *judge(case)) for case in cases]
    kinds = Counter((case.group, found) for case, found, _ in judged)
    yield f"{'kind':30} {'right':>6} {'error':>6} {'wrong':>6}"
    for group in dict.fromkeys(case.group for case in cases):
        yield f"{group:30} " + " ".join(f"{kinds[group, each]:6}" for each in VERDICTS)
    yield f"{'all':30} " + " ".join(f"{sum(found == each for _, found, _ in judged):6}" for each in VERDICTS)
    for case, found, words in judged:
        if found != "right":
            yield f"{found}: {case.id}: {case.text[:100]!r} for {case.type}: {words[:400]}"


def main() -> int:
    """Print the table; 1 if a value is wrong, or more than three of a hundred are missed."""
    cases = read_cases(Path(sys.argv[1])) if len(sys.argv) > 1 else read_cases()
    lines = list(table(cases))
    sys.stdout.write("\n".join([*lines, ""]))
    failed = [line for line in lines if line.startswith(("wrong:", "error:"))]
    return int(any(line.startswith("wrong:") for line in failed) or len(failed) * 100 > 3 * len(cases))


if __name__ == "__main__":
    sys.exit(main())
