"""The types that the benchmark's structured answers have."""

from __future__ import annotations

from pydantic import BaseModel


class Item(BaseModel):
    name: str
    qty: int
    price: float


class Doc(BaseModel):
    title: str
    items: list[Item]


class Shelf(BaseModel):
    row: int
    side: str


class Place(BaseModel):
    city: str
    shelf: Shelf


class Line(BaseModel):
    item: Item
    place: Place
    notes: list[str]


class NestedDoc(BaseModel):
    title: str
    lines: list[Line]


class Node(BaseModel):
    name: str
    size: int
    children: list[Node]


class Person(BaseModel):
    name: str
    age: int
    city: str


OF = {"flat": Doc, "nested": NestedDoc, "recursive": Node}

ANSWERS = {
    "str": (str, str),
    "int": (int, '{{"declarai_result": {}}}'.format),
    "small": (Person, lambda p: f'{{"name": "{p.name}", "age": {p.age}, "city": "{p.city}"}}'),
}
"""The return type of each whole answer, and how its value is turned back into the text that was sent."""
