"""A run whose process dies: `python crashing.py FOLDER MOMENT [WHAT]`; each effect is a line of FOLDER/effects.

MOMENT is `claim` (before it is written), `claimed` (after it), `effect` (after the tool's effect), `result` (after its
result is written), or `never`. The process kills itself then, as `kill -9` does. WHAT is `make` the run (as without
it), `rerun` its call, `ask` whether the call may run, or `approve` it, at the moment at which a line comes in.
"""

import os
import signal
import sys
from pathlib import Path

from declarai_like import errors
from declarai_like.testing import FakeLLM, tool_call
from declarai_like.tools import Rerun, SQLiteRuns, tool
from declarai_like.tools.run_states import RunState

folder, moment = Path(sys.argv[1]), sys.argv[2]
what = sys.argv[3] if len(sys.argv) > 3 else "make"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingRuns(SQLiteRuns):
    """Runs whose process dies at a moment of its first call."""

    def commit(self, run_id: str, version: int, state: str) -> None:
        stages = [call.stage for call in RunState.load(state).pending]
        if moment == "claim" and stages == ["started"]:
            die()
        super().commit(run_id, version, state)
        if (moment == "claimed" and stages == ["started"]) or (moment == "result" and stages == ["done"]):
            die()


@tool(approve=what in {"ask", "approve"})
def pay(amount: int) -> str:
    """Pay"""
    with (folder / "effects").open("a") as lines:
        lines.write(f"{amount}\n")
        lines.flush()
        os.fsync(lines.fileno())
    if moment == "effect":
        die()
    return "paid"


def main() -> None:
    # The model asks for the tool unless it has been told the result.
    def answer(request):
        return (
            "done" if any(message.role == "tool" for message in request.messages) else tool_call("pay", {"amount": 5})
        )

    llm = FakeLLM([answer] * 5)

    @llm.task(tools=[pay], runs=DyingRuns(folder / "runs.db"))
    def ask(question: str) -> str:
        """{question}"""

    try:
        sys.stdout.write(do(ask))
    except (errors.ApprovalRequired, errors.OutcomeUnknown, errors.RunBusy) as error:
        sys.stdout.write(type(error).__name__)


def do(ask):
    if what == "rerun":
        return ask.resume("r", {"call_0": Rerun()}).value
    if what == "approve":
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        return ask.resume("r", {"call_0": True}).value
    return ask.run("?", run_id="r").value


if __name__ == "__main__":
    main()
