"""A text becomes a nested model; a table of it fills while it is being written (pip install "declarai-like[cli]")."""

import os
from typing import Literal

from pydantic import BaseModel
from rich.live import Live
from rich.table import Table

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()


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


@llm.task(llm_params={"temperature": 0, "seed": 1, "max_tokens": 300})
def extract(text: str) -> Order:
    """What is ordered, and by whom?"""
    return llm.magic(text)


def fill(table: Table, value: BaseModel, path: str = "") -> Table:
    for name, field in value:  # what has not arrived yet reads as None
        if isinstance(field, BaseModel):
            fill(table, field, f"{path}{name}.")
        else:
            table.add_row(f"{path}{name}", "" if field is None else str(field))
    return table


if __name__ == "__main__":
    with extract.stream(text="Anna Berg lives in Paris. She orders 3 lamps, it is urgent.") as stream, Live() as live:
        for order in stream.partials():  # an Order each time: strings grow, the rest appears when it is whole
            live.update(fill(Table("field", "value", min_width=40), order), refresh=True)
