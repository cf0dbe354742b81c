"""A text becomes a nested model, and the model is there while it is still being written.

Run it with `python examples/extraction.py`; the embedded model answers (`declarai-like pull` fetches it).
"""

from typing import Literal

from pydantic import BaseModel

import declarai_like as declarai

llm = declarai.local(llm_params={"temperature": 0, "seed": 1, "max_tokens": 300})


class Item(BaseModel):
    name: str
    quantity: int


class Customer(BaseModel):
    name: str
    city: str


class Order(BaseModel):
    customer: Customer
    item: Item
    priority: Literal["normal", "urgent"]


@llm.task
def extract(text: str) -> Order:
    """Extract the order from the text"""


def main() -> None:
    text = "Anna Berg from Oslo wants 3 lamps, as soon as possible."
    with extract.stream(text=text) as stream:
        for order in stream.partials():  # an Order each time: what has not arrived yet reads as None
            print(f"\r{order!r:<150.150}", end="", flush=True)
        print(f"\n\n{stream.result().model_dump_json(indent=2)}")


if __name__ == "__main__":
    main()
