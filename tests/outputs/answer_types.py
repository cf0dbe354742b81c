"""The types that the cases in answers.json name: a case's `type` is an expression over the names of this module."""

from dataclasses import dataclass
from datetime import date, datetime  # noqa: F401
from decimal import Decimal  # noqa: F401
from enum import Enum, IntEnum
from pathlib import Path  # noqa: F401
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union  # noqa: F401

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import NotRequired, TypedDict


class Plant(BaseModel):
    name: str
    height: float
    edible: bool


class Note(BaseModel):
    heading: str
    text: str | None = None


class Halt(BaseModel):
    place: str
    minutes: int


class Route(BaseModel):
    line: str
    halts: list[Halt]


class Branch(BaseModel):
    label: str
    branch: Optional["Branch"] = None


class Wish(BaseModel):
    """Nothing in it is required."""

    tone: str | None = None
    count: int | None = None


class Box(BaseModel):
    model_config = ConfigDict(extra="forbid")
    label: str
    weight: float


class Tide(Enum):
    LOW = "low"
    HIGH = "high"
    SLACK = "slack water"


Verdict = Literal["accept", "reject", "revise"]


class Review(BaseModel):
    verdict: Verdict
    tide: Tide


class Bus(BaseModel):
    kind: Literal["bus"]
    seats: int


class Tram(BaseModel):
    kind: Literal["tram"]
    cars: int


Vehicle = Annotated[Bus | Tram, Field(discriminator="kind")]


class Depot(BaseModel):
    town: str
    vehicle: Vehicle


class Level(IntEnum):
    CALM = 1
    STORM = 2


class Sign(Enum):
    """Two of its members look alike."""

    A = "go"
    B = "GO"
    ARROW = "->"


class Fix(NamedTuple):
    lat: float
    lon: float
    name: str = "here"


class Film(TypedDict):
    title: str
    year: NotRequired[int]


class Kind(Enum):
    BUG = "bug_report"
    FEATURE = "feature-request"
    QUESTION = "Question"
    CAFE = "café"


class Ticket(BaseModel):
    kind: Kind
    urgent: bool
    due: date | None = None
    tags: list[str] = []


class Loose(BaseModel):
    """Keeps what it does not know."""

    model_config = ConfigDict(extra="allow")
    level: int = 0


class Bill(BaseModel):
    total: float
    lines: list[str]
    paid: bool = False


@dataclass
class Spot:
    x: float
    y: float


def type_of(expression: str) -> Any:
    """Give the type that a case names."""
    return eval(expression, globals())  # noqa: S307 - our own data
