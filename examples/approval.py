"""An approval across processes: one asks and ends, another one decides and goes on. It needs no key: it is scripted.

python examples/approval.py ask        the model wants to refund; nothing is done, the call waits in runs.db
python examples/approval.py approve    another process lets it; resuming twice refunds once
"""

import sys

from declarai_like import errors, tool
from declarai_like.testing import FakeLLM, tool_call
from declarai_like.tools import SQLiteRuns

llm = FakeLLM()  # a real one: declarai.openai(model="gpt-4o-mini")


@tool(approve=lambda amount, **_: amount > 100)  # noqa: PLR2004 - an example
def refund(order: str, amount: float) -> str:
    """Refund an order, `amount` in euros"""
    print(f"refunding {amount:.2f} for order {order}")
    return "refunded"


@llm.task(tools=[refund])
def support(message: str) -> str:
    """Help the customer: {message}"""
    return llm.magic(message)


def main(step: str, path: str = "runs.db") -> None:
    runs = SQLiteRuns(path)
    if step == "ask":
        llm.enqueue(tool_call("refund", {"order": "7", "amount": 250.0}))
        try:
            support.run("My order 7 never came.", runs=runs, run_id="order-7")
        except errors.ApprovalRequired as waiting:
            for call in waiting.pending:
                print(f"waiting: {call.name}({call.arguments}), {call.why}")
        return
    llm.enqueue("Your 250 euros are on the way.")
    for _ in range(2):
        print(support.resume("order-7", {"call_0": True}, runs=runs).value)


if __name__ == "__main__":
    main(*sys.argv[1:] or ["ask"])
