"""Values while their text arrives: what is shown when, and that it only grows."""
# ruff: noqa: UP007, UP045 - the older spellings are what users write

import json
import tracemalloc
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date
from enum import Enum
from itertools import pairwise
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypeVar, Union

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from typing_extensions import NotRequired, TypeAliasType, TypedDict

from declarai_like._outputs.output import Output

T = TypeVar("T")
Nested = TypeAliasType("Nested", list["Nested"])


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Item(BaseModel):
    name: str
    qty: int
    price: float


class Doc(BaseModel):
    title: str
    items: list[Item]


class Node(BaseModel):
    name: str
    kids: list["Node"]
    best: Optional["Node"]


class Mixed(BaseModel):
    when: Optional[date]
    colour: Colour
    kind: Literal["a", "b"]
    either: Union[int, str, list[int]]
    free: Any
    nothing: None
    flag: bool


class Maps(BaseModel):
    counts: dict[str, int]
    by_id: dict[int, list[str]]
    pair: tuple[int, str]
    many: tuple[float, ...]
    unique: frozenset[str]


class Page(BaseModel, Generic[T]):
    rows: list[T]
    total: Optional[int]


@dataclass
class Point:
    x: int
    label: str
    near: list["Point"]


class Movie(TypedDict):
    title: str
    cast: list[str]
    year: NotRequired[int]


class Pair(NamedTuple):
    left: str
    right: Optional[int]


class Checked(BaseModel):
    size: Annotated[int, Field(gt=0)]
    tags: Annotated[list[str], Field(max_length=3)]
    name: str

    @model_validator(mode="after")
    def agree(self):
        return self


text = st.text(max_size=12) | st.sampled_from(['"\\/\b\f\n\r\t', "😀😀", "\u2028{[", "é😀\\"])
integers = st.integers(-(2**40), 2**40)
floats = st.floats(allow_nan=False, allow_infinity=False)
items = st.builds(Item, name=text, qty=integers, price=floats)
free = st.recursive(
    st.none() | st.booleans() | integers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
nodes = st.recursive(
    st.builds(Node, name=text, kids=st.just([]), best=st.none()),
    lambda inner: st.builds(Node, name=text, kids=st.lists(inner, max_size=3), best=st.none() | inner),
    max_leaves=6,
)
points = st.recursive(
    st.builds(Point, x=integers, label=text, near=st.just([])),
    lambda inner: st.builds(Point, x=integers, label=text, near=st.lists(inner, max_size=3)),
    max_leaves=6,
)
movies = st.fixed_dictionaries({"title": text, "cast": st.lists(text, max_size=3)}, optional={"year": integers})
pairs = st.builds(Pair, left=text, right=st.none() | integers)
either = integers | text | st.lists(integers, max_size=3)

# The type and its values.
MODELS = {
    "flat": (Doc, st.builds(Doc, title=text, items=st.lists(items, max_size=4))),
    "recursive": (Node, nodes),
    "mixed": (
        Mixed,
        st.builds(
            Mixed,
            when=st.none() | st.dates(),
            colour=st.sampled_from(Colour),
            kind=st.sampled_from("ab"),
            either=either,
            free=free,
            nothing=st.none(),
            flag=st.booleans(),
        ),
    ),
    "maps": (
        Maps,
        st.builds(
            Maps,
            counts=st.dictionaries(text, integers, max_size=3),
            by_id=st.dictionaries(integers, st.lists(text, max_size=3), max_size=3),
            pair=st.tuples(integers, text),
            many=st.lists(floats, max_size=3).map(tuple),
            unique=st.frozensets(text, max_size=3),
        ),
    ),
    "generic": (Page[Item], st.builds(Page[Item], rows=st.lists(items, max_size=3), total=st.none() | integers)),
    "dataclass": (Point, points),
    "typed dict": (Movie, movies),
    "checked": (
        Checked,
        st.builds(Checked, size=st.integers(1, 99), tags=st.lists(text, max_size=3), name=text),
    ),
    "items": (list[Item], st.lists(items, max_size=5)),
    "pairs": (list[Pair], st.lists(pairs, max_size=4)),
    "mapping": (dict[str, Item], st.dictionaries(text, items, max_size=3)),
    "anything": (Any, free),
}
OUTPUTS = {name: Output.of(annotation) for name, (annotation, _) in MODELS.items()}
SPELLINGS = [{}, {"ensure_ascii": False}, {"indent": 2}, {"separators": (",", ":")}]
bounded = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],  # a machine may be busy
)


@st.composite
def pieces(draw, annotation, values):
    """The JSON of a value, cut at any places."""
    data = json.loads(Output.of(annotation).encode(draw(values)))
    whole = json.dumps(data, **draw(st.sampled_from(SPELLINGS)))
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=len(whole))))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


def fed(partials, delta):
    partials.feed(delta)
    return partials.value


def shown(annotation, *deltas):
    """What is shown after each delta."""
    partials = Output.of(annotation).partials()
    return [fed(partials, delta) for delta in deltas]


def last(annotation, text):
    return shown(annotation, text)[-1]


def parts(value):
    """The open ends of a value by their names: what may grow in it, and not merely be there."""
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in value.model_fields_set}
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, list | tuple):
        return dict(enumerate(value))
    return value if isinstance(value, dict) else None


def grew(before, after):
    """Whether `after` is `before` with more of it: what arrived stays, and only open ends grow."""
    if before is None:
        return True
    if type(before) is not type(after):
        return False
    if isinstance(before, str):
        return after.startswith(before)
    old, new = parts(before), parts(after)
    if old is None:
        return before <= after if isinstance(before, frozenset) else before == after
    return all(name in new and grew(part, new[name]) for name, part in old.items())


@pytest.mark.untraced
@pytest.mark.parametrize("name", MODELS)
def test_partials_only_grow_and_the_last_is_the_whole(name):
    @bounded
    @given(pieces(*MODELS[name]))
    def check(deltas):
        partials = OUTPUTS[name].partials()
        values = [fed(partials, delta) for delta in deltas]

        assert all(grew(before, after) for before, after in pairwise(values))
        assert values[-1] == OUTPUTS[name].parse("".join(deltas)).value

    check()


@pytest.mark.untraced
@pytest.mark.parametrize("name", MODELS)
def test_handed_out_values_never_change(name):
    @bounded
    @given(pieces(*MODELS[name]))
    def check(deltas):
        partials = OUTPUTS[name].partials()
        values = [(value, repr(value)) for value in (fed(partials, delta) for delta in deltas)]

        assert [repr(value) for value, _ in values] == [before for _, before in values]

    check()


@pytest.mark.parametrize("name", ["items", "pairs"])
def test_each_item_comes_exactly_once_when_it_has_closed(name):
    @bounded
    @given(pieces(*MODELS[name]))
    def check(deltas):
        partials = OUTPUTS[name].partials()
        counts = [len(partials.items) for delta in deltas if partials.feed(delta) is None]

        assert counts == sorted(counts)
        assert partials.items == OUTPUTS[name].parse("".join(deltas)).value
        assert all(item is closed for item, closed in zip(partials.items, partials.value, strict=True))

    check()


@bounded
@given(pieces(*MODELS["flat"]))
def test_closed_items_are_the_same_objects_in_all_later_partials(deltas):
    partials = OUTPUTS["flat"].partials()
    lists = [value.items for value in (fed(partials, delta) for delta in deltas) if value and value.items]
    final = partials.value.items

    assert all(closed is final[i] for items in lists for i, closed in enumerate(items[:-1]))


@pytest.mark.parametrize("name", MODELS)
def test_any_text_is_read_without_an_error(name):
    @bounded
    @given(pieces(*MODELS[name]), st.text('{}[]",:\\u12ea ntf-.😀\ud83d\ude00', max_size=8), st.integers(0, 50))
    def check(deltas, noise, place):
        partials = OUTPUTS[name].partials()
        text = "".join(deltas)

        values = [fed(partials, delta) for delta in [text[:place], *noise, text[place:]]]

        assert len(values) == len(noise) + 2

    check()


def test_nothing_is_shown_before_the_value_begins():
    assert shown(Doc, "", "Here you ", "are:\n```json\n", '{"') == [
        None,
        None,
        None,
        Doc.model_construct(title=None, items=None),
    ]


def test_byte_order_mark_fence_and_prose_are_passed_over():
    assert last(Item, '\ufeffSure:\n```json\n{"name": "a", "qty": 1, "price": 2}\n```\nDone {') == Item(
        name="a", qty=1, price=2
    )


def test_strings_grow_and_numbers_wait():
    values = shown(Item, '{"name": "ap', 'ple", "qty": 1', '2, "price": 1.', "5}")

    assert [(value.name, value.qty, value.price) for value in values] == [
        ("ap", None, None),
        ("apple", None, None),
        ("apple", 12, None),
        ("apple", 12, 1.5),
    ]


def test_text_that_has_closed_is_no_new_value():
    grown, *closed, more = shown(dict[str, str], '{"a": "one', '"', ', "b', '": "two')
    assert grown == {"a": "one"}
    assert all(value is grown for value in closed)
    assert more == {"a": "one", "b": "two"}


def test_arrived_fields_are_those_of_which_something_came():
    values = shown(Item, '{"na', 'me": "', 'a", "qty":', " 1", "}")

    assert [sorted(value.model_fields_set) for value in values[:-1]] == [[], ["name"], ["name"], ["name"]]


def test_number_with_a_fraction_that_is_none_is_an_int_in_the_end():
    assert last(Item, '{"name": "a", "qty": 5.0,').qty == 5


def test_words_literals_and_enums_wait_until_they_have_closed():
    values = shown(Mixed, '{"kind": "', 'a", "colour": "re', 'd", "flag": tr', 'ue, "when": "2024-02-2', '9"}')

    assert [(value.kind, value.colour, value.flag, value.when) for value in values] == [
        (None, None, None, None),
        ("a", None, None, None),
        ("a", Colour.RED, None, None),
        ("a", Colour.RED, True, None),
        ("a", Colour.RED, True, date(2024, 2, 29)),
    ]


def test_union_is_shown_as_soon_as_only_one_of_its_types_can_be_meant():
    values = shown(Mixed, '{"either": "a', 'b", "either": [1', ', 2], "either": {"a": "]}', '"}, "either": 4,')

    assert [value.either for value in values] == ["a", [], [1, 2], 4]


def test_union_of_models_shows_the_one_it_was():
    values = shown(list[Union[Item, Node]], '[{"name": "a", "ki', 'ds": [], "best": null}', "]")

    assert values[1:] == [[Node(name="a", kids=[], best=None)]] * 2


@pytest.mark.parametrize("text", ['{"name": "é\\n\\"\\u00e9\\ud83d\\ude00\\\\/", "kids": [], "best": null}'])
def test_escapes_may_be_cut_anywhere(text):
    values = [value for value in shown(Node, *text) if value]

    assert values[-1].name == 'é\n"é😀\\/'
    assert all(grew(before, after) for before, after in pairwise(values))
    assert not any("\ud83d" in (value.name or "") for value in values if value)


def test_halves_of_a_surrogate_pair_in_two_deltas_are_one_character():
    assert [value.name for value in shown(Node, '{"name": "x\ud83d', "\ude00", '\ud83d"}')] == [
        "x",
        "x😀",
        "x😀\ufffd",
    ]


@pytest.mark.parametrize("escape", ["\\x", "\\u12g", "\\ud83dx", "\\ude00", "\\ud83d\\n"])
def test_wrong_escape_is_kept_as_written(escape):
    kept = {"\\ud83dx": "\ufffdx", "\\ude00": "\ufffd", "\\ud83d\\n": "\ufffd\n"}.get(escape, escape)

    values = shown(Node, '{"name": "ab', escape, 'c", "kids": []}')

    assert [values[0].name, values[2].name] == ["ab", f"ab{kept}c"]


def test_fields_that_have_not_arrived_are_their_defaults():
    class Dish(BaseModel):
        title: str
        spicy: bool = True
        tags: list[str] = ["new"]
        steps: list[str] = Field(default_factory=lambda: ["cook"])

    value = last(Dish, '{"title": "Sou')

    assert (value.spicy, value.tags, value.steps, value.model_fields_set) == (True, ["new"], ["cook"], {"title"})
    assert last(Dish, '{"title": "Soup"}') == Dish(title="Soup")


def test_defaults_of_two_objects_are_two_objects():
    class Dish(BaseModel):
        tags: list[str] = []

    first, second = last(list[Dish], "[{}, {}]")

    assert first.tags is not second.tags


def test_default_that_cannot_be_made_is_missing():
    class Dish(BaseModel):
        title: str
        tags: list[str] = Field(default_factory=lambda: {}[0])
        more: str = Field(default_factory=lambda data: data["title"])

    assert (last(Dish, '{"title": "a').tags, last(Dish, '{"title": "a').more) == (None, None)


def test_aliases_are_the_names_in_json():
    class Aliased(BaseModel):
        kind: str = Field(alias="type")
        count: int = Field(validation_alias=AliasChoices("n", "number"))
        deep: int = Field(0, validation_alias=AliasPath("a", "b"))

    value = last(Aliased, '{"kind": "no", "type": "x", "number": 3, "a": {"b": 5}}')

    assert value == Aliased(type="x", n=3, a={"b": 5})
    assert last(Aliased, '{"kind": "no').kind is None


def test_own_names_count_beside_aliases_where_the_model_says_so():
    class Aliased(BaseModel):
        model_config = ConfigDict(populate_by_name=True)
        kind: str = Field(alias="type")

    assert [last(Aliased, '{"kind": "x').kind, last(Aliased, '{"type": "y').kind] == ["x", "y"]


def test_extra_fields_are_there_when_their_object_has_closed():
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        name: str

    values = shown(Open, '{"name": "a", "more": [1, "\\"]"]', "}")

    assert [value.model_extra for value in values] == [{}, {"more": [1, '"]']}]


def test_unknown_fields_are_passed_over():
    text = '{"x": {"a": ["}", "\\\\"]}, "y": "z\\"", "w": 1e5, "name": "a", "kids": [], "best": null}'

    assert shown(Node, *text)[-1] == Node(name="a", kids=[], best=None)


def test_forbidden_field_leaves_the_object_as_it_was():
    class Shut(BaseModel):
        model_config = ConfigDict(extra="forbid")
        name: str

    assert last(Shut, '{"name": "a", "more": 1}') == Shut(name="a")


def test_private_attributes_have_their_defaults():
    class Secretive(BaseModel):
        name: str
        _count: int = PrivateAttr(7)
        _made: int = PrivateAttr(default_factory=lambda: 8)
        _later: int

    values = shown(Secretive, '{"name": "a', '"}')

    assert (values[0]._count, hasattr(values[0], "_made"), values[1]) == (7, False, Secretive(name="a"))


def test_value_that_is_not_valid_is_not_shown():
    value = last(Doc, '{"title": true, "items": [{"name": "a", "qty": "many", "price": 1}, {"qty": 3}]')

    assert (value.title, value.items[0].qty, value.items[1].name, value.items[1].qty) == (None, None, None, 3)
    assert [type(item) for item in value.items] == [Item, Item]


def test_closed_whole_that_is_not_valid_stays_an_instance():
    assert type(last(Doc, '{"title": "a"}')) is Doc


def test_items_end_before_the_first_that_is_not_valid():
    partials = Output.of(list[int]).partials()

    assert [(fed(partials, delta), list(partials.items)) for delta in ["", "[1, 2,", ' "x", 3', "]"]] == [
        (None, []),
        ([1, 2], [1, 2]),
        ([1, 2], [1, 2]),
        ([1, 2], [1, 2]),
    ]


def test_items_are_one_list_that_grows():
    partials = Output.of(list[int]).partials()
    partials.feed('{"declarai_result": [1,')
    first = partials.items
    partials.feed("2]}")

    assert (first is partials.items, first) == (True, [1, 2])


def test_items_are_those_of_the_whole_only():
    partials = Output.of(list[list[int]]).partials()
    partials.feed('{"declarai_result": [[1, 2], [3')

    assert partials.items == [[1, 2]]


def test_object_has_no_items():
    partials = Output.of(Doc).partials()
    partials.feed('{"title": "a", "items": [{"name": "b", "qty": 1, "price": 1},')

    assert partials.items == []


def test_text_grows():
    partials = Output.of(str).partials()

    assert [fed(partials, delta) for delta in ["", "On", "ce"]] == [None, "On", "Once"]
    assert partials.items == []


def test_bare_number_is_not_shown_and_a_wrapped_one_when_it_has_closed():
    assert shown(int, "4") == [None]
    assert shown(int, '{"declarai_result": 4', "}") == [None, 4]


def test_value_under_another_key_is_not_shown():
    assert shown(list[int], '{"numbers": [1]', "}") == [None, None]


def test_validators_run_once_for_each_closed_value():
    seen = []

    class Line(BaseModel):
        text: Annotated[str, AfterValidator(lambda value: seen.append(value) or value.upper())]

    values = shown(list[Line], '[{"te', 'xt": "a', 'b"', '}, {"text": "c"}', "]")

    assert [[line.text for line in value] for value in values] == [[None], ["a"], ["ab"], ["AB", "C"], ["AB", "C"]]
    assert seen == ["ab", "c"]


def test_validator_of_a_model_runs_when_it_has_closed():
    class Total(BaseModel):
        parts: list[int]
        total: int = 0

        @model_validator(mode="after")
        def add(self):
            self.total = sum(self.parts)
            return self

    assert [value.total for value in shown(Total, '{"parts": [1, 2]', "}")] == [0, 3]


def test_validator_before_a_model_sees_what_came():
    class Named(BaseModel):
        name: str

        @model_validator(mode="before")
        @classmethod
        def unpack(cls, data):
            return {"name": data["raw"]["name"]}

    assert last(Named, '{"raw": {"name": "a"}}') == Named.model_construct(name="a")


def test_validator_that_needs_other_fields_runs_with_its_object():
    class Range(BaseModel):
        low: int
        high: int
        steps: list[int]

        @field_validator("high", "steps")
        @classmethod
        def above(cls, value, info: ValidationInfo):
            return value if isinstance(value, list) else max(value, info.data["low"])

    assert last(Range, '{"low": 5, "high": 3, "steps": [1]}') == Range(low=5, high=3, steps=[1])


def test_validator_before_a_list_may_take_a_string():
    class Tagged(BaseModel):
        tags: Annotated[list[str], BeforeValidator(lambda data: data.split() if isinstance(data, str) else data)]

    assert [value.tags for value in shown(Tagged, '{"tags": "a', ' b"', ', "tags": ["c', '"]}')] == [
        None,
        None,
        ["c"],
        ["c"],
    ]


def test_configuration_of_a_model_counts_for_its_values():
    class Trimmed(BaseModel):
        model_config = ConfigDict(str_strip_whitespace=True)
        name: str

    assert [value.name for value in shown(Trimmed, '{"name": " a', ' "', "}")] == [" a", " a ", "a"]


def test_list_of_the_wrong_length_is_not_valid():
    class Short(BaseModel):
        tags: list[str] = Field(max_length=1)

    partials = Output.of(list[Short]).partials()
    partials.feed('[{"tags": ["a"]}, {"tags": ["b", "c"]}]')

    assert partials.items == [Short(tags=["a"])]
    assert partials.value[1].tags == ["b", "c"]


def test_tuples_are_shown_as_far_as_they_have_come():
    values = shown(Maps, '{"pair": [1', ', "a', '"], "many": [1, 2.5', "]}")

    assert [(value.pair, value.many) for value in values] == [
        ((), None),
        ((1, "a"), None),
        ((1, "a"), (1.0,)),
        ((1, "a"), (1.0, 2.5)),
    ]


def test_tuple_that_is_too_long_keeps_what_fits():
    assert last(Maps, '{"pair": [1, "a", 3]').pair == (1, "a")


def test_named_tuple_has_its_defaults_until_they_come():
    class Named(NamedTuple):
        left: str
        right: int
        more: str = "m"

    assert shown(list[Named], '[["a', '", 1', "]]") == [
        [Named("a", None, "m")],
        [Named("a", None, "m")],
        [Named("a", 1, "m")],
    ]


def test_named_tuple_given_as_an_object_is_shown_when_it_has_closed():
    assert shown(list[Pair], '[{"left": "a", "ri', 'ght": 1}') == [[], [Pair("a", 1)]]


def test_sets_show_the_items_that_have_closed():
    values = shown(set[str], '["a", "b', '", "a"', "]")

    assert values == [{"a"}, {"a", "b"}, {"a", "b"}]


def test_what_no_set_can_hold_is_left_out():
    assert shown(set[int], "[1, [2]", ", {}", "]") == [{1}, {1}, {1}]


def test_keys_of_a_mapping_are_of_their_type():
    assert last(dict[int, str], '{"declarai_result": {"1": "a", "x": "b') == {1: "a"}


def test_typed_dict_has_the_keys_that_have_arrived():
    assert shown(Movie, '{"title": "Al', 'ien", "cast": ["S') == [
        {"title": "Al"},
        {"title": "Alien", "cast": ["S"]},
    ]


def test_typed_dict_with_a_default_gets_it_when_it_has_closed():
    class Rated(TypedDict):
        title: str
        stars: Annotated[int, Field(default=3)]

    assert shown(Rated, '{"title": "a"', "}") == [{"title": "a"}, {"title": "a", "stars": 3}]


def test_dataclass_is_an_instance_from_the_start():
    @dataclass(frozen=True)
    class Line:
        start: Point
        width: int = 1
        tags: list[str] = field(default_factory=list)

    values = shown(Line, '{"start": {"x": 1', ', "label": "a", "near": []}', "}")

    assert [(value.start, value.width, value.tags) for value in values] == [
        (Point(None, None, None), 1, []),
        (Point(1, "a", []), 1, []),
        (Point(1, "a", []), 1, []),
    ]


def test_dataclass_that_computes_does_so_when_it_has_closed():
    @dataclass
    class Square:
        side: int
        area: int = field(init=False, default=0)

        def __post_init__(self):
            self.area = self.side**2

    assert [value.area for value in shown(Square, '{"side": 3 ', "}")] == [0, 9]


def test_type_that_is_its_own_item_is_shown():
    assert last(Nested, "[[], [[") == [[], [[]]]


def test_trailing_commas_are_passed_over():
    assert last(Doc, '{"title": "a", "items": [{"name": "b", "qty": 1, "price": 2,},],}').items[0].name == "b"


@pytest.mark.parametrize(
    "broken",
    ['{"title": "a"; "items"', '{"title": "a" "items"', '{"title" "b"', '{"title": ]', '{"title": abc,'],
)
def test_malformed_text_leaves_the_value_as_it_was(broken):
    value = shown(Doc, '{"title": "a", "items": [', broken, ']}, "title": "b"}')[-1]

    assert value.title == "a"


@pytest.mark.parametrize("text", ['{"a": 1]', '{"x" 1}', "{x: 1}", '{"free": {"a"]}', '{"free": [1}', '{"free": [1;'])
def test_text_that_is_no_json_is_no_error(text):
    assert type(last(Mixed, text)) is Mixed


def test_hidden_value_that_is_no_json_ends_the_reading():
    assert last(Mixed, '{"either": {"a": ??}, "kind": "a"}').kind is None


def test_nesting_deeper_than_any_reader_goes_is_no_error():
    depth = 100_000

    assert type(last(Any, '{"declarai_result": ' + "[" * depth + "]" * depth + "}")) is list
    assert type(last(Node, '{"best": ' * depth)) is Node


def test_one_feed_of_everything_equals_many():
    text = '{"title": "a\\n", "items": [{"name": "b", "qty": 1, "price": 2.5}]}'

    assert last(Doc, text) == shown(Doc, *text)[-1] == Output.of(Doc).parse(text).value


def test_memory_of_a_stream_does_not_grow_with_its_partials():
    partials = Output.of(list[Item]).partials()
    partials.feed("[")
    row = '{"name": "a", "qty": 1, "price": 2.5},'
    tracemalloc.start()
    values = [fed(partials, delta) and None for _ in range(200) for delta in (row[:9], row[9:20], row[20:])]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(values) == 600
    assert peak < 1_000_000


BOTH = ('{"full": "Ada Lovelace", "name": "Ada"}', '{"name": "Ada", "full": "Ada Lovelace"}')
ONE = ('{"name": "Ada"}', '{"full": "Ada Lovelace"}')
PATH = ('{"names": ["Countess"], "full": "Ada Lovelace"}', '{"full": "Ada Lovelace", "names": ["Countess"]}')


@pytest.mark.parametrize(
    ("field", "config", "text"),
    [
        *((Field("none", validation_alias=AliasChoices("full", "name")), {}, text) for text in (*BOTH, *ONE)),
        *((Field("none", alias="full"), {"populate_by_name": True}, text) for text in (*BOTH, *ONE)),
        *((Field("none", validation_alias=AliasChoices(AliasPath("names", 0), "full")), {}, text) for text in PATH),
    ],
)
def test_an_item_that_is_named_twice_is_the_one_that_the_whole_has(field, config, text):
    class Person(BaseModel):
        model_config = ConfigDict(**config)
        name: str = field

    partials = Output.of(list[Person]).partials()
    whole = f'{{"declarai_result": [{text}, {text}]}}'
    for character in whole:
        partials.feed(character)
    assert partials.items == Output.of(list[Person]).parse(whole).value


@pytest.mark.parametrize("size", [1, 4, 700, 5000])
def test_a_long_text_without_quotes_waits_and_is_read_whole(size):
    words = "many words " * 900
    text = f'{{"name": {words.strip()}\n}}'
    partials = Output.of(dict[str, str]).partials()
    for start in range(0, len(text), size):
        partials.feed(text[start : start + size])
    (document,) = partials.finish()
    assert document.data == {"name": words.strip()}
