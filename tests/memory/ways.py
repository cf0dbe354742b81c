"""The two ways to use a history, with the same words."""

import asyncio


class Blocking:
    """Uses a history in the blocking way."""

    def __init__(self, history):
        self.memory = history

    def read(self):
        return self.memory.history

    def add(self, *messages):
        self.memory.add_messages(messages)

    def replace(self, *messages):
        self.memory.replace(messages)

    def compare_and_replace(self, expected, *messages):
        self.memory.compare_and_replace(expected, messages)

    def clear(self):
        self.memory.clear()


class Awaiting(Blocking):
    """Uses a history in the awaiting way, each time in an event loop of its own."""

    def read(self):
        return asyncio.run(self.memory.ahistory())

    def add(self, *messages):
        asyncio.run(self.memory.aadd_messages(messages))

    def replace(self, *messages):
        asyncio.run(self.memory.areplace(messages))

    def compare_and_replace(self, expected, *messages):
        asyncio.run(self.memory.acompare_and_replace(expected, messages))

    def clear(self):
        asyncio.run(self.memory.aclear())
