"""A process that appends turns: `append_turns.py KIND ADDRESS NAME WRITER TURNS`, and says each one it has stored."""

import sys

from stores import Store

from declarai_like.messages import Message

kind, address, name, writer, turns = sys.argv[1:]
history = Store(kind, address, name).open()
for number in range(int(turns)):
    turn = f"{writer}/{number}"
    history.add_messages([Message(turn), Message(f"re {turn}", "assistant"), Message(f"ps {turn}", "user")])
    print(turn, flush=True)  # noqa: T201 - the test reads what was acknowledged
