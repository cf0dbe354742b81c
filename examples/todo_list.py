"""A chat class with a state of its own, whose methods are the model's tools. No key: `declarai-like pull` first."""

import declarai_like as declarai

llm = declarai.local(llm_params={"temperature": 0, "max_tokens": 60})


# A tiny model is made to call once for each message, then to answer; a larger one decides for itself.
@llm.chat(tool_choice="required", max_rounds=1, at_limit="answer")
class TodoList(declarai.Chat):
    """You keep the user's list of things to do."""

    def __init__(self) -> None:
        self.items: list[str] = []

    @declarai.tool
    def add_item(self, item: str) -> str:
        """Write an item on the list

        :param item: What is to be done, in a few words
        """
        self.items.append(item)
        return f"the list has {len(self.items)} items now"


def main() -> None:
    mine, yours = TodoList(), TodoList()
    for message in ("Add milk to the list", "Add bread to the list"):
        print(f"> {message}\n{mine.send(message)}")
    print(f"mine: {mine.items}, yours: {yours.items}")


if __name__ == "__main__":
    main()
