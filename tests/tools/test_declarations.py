import functools
import pickle

import pytest
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like import errors, tools
from declarai_like.testing import FakeLLM
from declarai_like.tools import Injected, ToolContext, tool
from declarai_like.tools.declarations import read_tool


class Receipt(BaseModel):
    order: str
    cents: int


def refund(
    order: str, amount: float, note: str = "none", db: Injected[dict] = None, context: ToolContext = None
) -> Receipt:
    """Refund an order

    :param order: The order's number
    :param amount: How much, in euros
    :return: The receipt
    """


def test_schema_is_read_off_signature_and_docstring():
    assert read_tool(refund).wire == {
        "type": "function",
        "function": {
            "name": "refund",
            "description": "Refund an order\n\nReturns: The receipt",
            "parameters": {
                "type": "object",
                "properties": {
                    "order": {"type": "string", "description": "The order's number"},
                    "amount": {"type": "number", "description": "How much, in euros"},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                },
                "required": ["order", "amount", "note"],
                "additionalProperties": False,
            },
            "strict": True,
        },
    }


def test_strict_is_told_also_when_it_is_off_or_cannot_be():
    def keep(values: dict[str, int]) -> None: ...

    loose = tool(strict=False)(refund).wire["function"]
    assert loose["strict"] is False
    assert loose["parameters"]["required"] == ["order", "amount"]
    assert read_tool(keep).wire["function"]["strict"] is False


def test_null_stands_for_a_default_unless_the_type_takes_it():
    def find(city: str, days: int = 3, mark: str | None = "x") -> str: ...

    validate = read_tool(find).parameters.validate
    assert validate({"city": "Oslo", "days": None, "mark": None}) == {"city": "Oslo", "mark": None}


def test_tool_is_still_a_function():
    @tool(name="plus", timeout=3)
    def add(a: int, b: int) -> int:
        """Add"""
        return a + b

    assert add(1, 2) == 3
    assert (add.name, add.__name__, add.__doc__) == ("plus", "add", "Add")
    assert repr(add) == "<Tool add>"


def no_type(city) -> str: ...
def stars(*cities: str) -> str: ...
def keywords(**cities: str) -> str: ...
def positional(city: str, /) -> str: ...
def unknown_name(city: "Nowhere") -> str: ...  # noqa: F821 - that is the point
def no_schema(city: type(lambda: 0)) -> str: ...
def described(city: str) -> str:
    """Find

    :param town: not there
    """


@pytest.mark.parametrize("function", [no_type, stars, keywords, positional, unknown_name, no_schema, described])
def test_function_that_a_model_cannot_call_is_refused_with_its_place(function):
    with pytest.raises(errors.DefinitionError, match=rf"{function.__name__} \(test_declarations.py:\d+\)"):
        read_tool(function)


@pytest.mark.parametrize("thing", [3, "refund", Receipt, functools.partial(refund, "7"), print])
def test_what_is_no_function_is_refused(thing):
    with pytest.raises(errors.DefinitionError, match="expected a function"):
        read_tool(thing)


@pytest.mark.parametrize(
    "options",
    [
        {"name": "a b"},
        {"name": "x" * 65},
        {"approve": "yes"},
        {"timeout": 0},
        {"retries": -1},
        {"retries": True},
        {"errors": "hide"},
        {"sequential": 1},
        {"eager": True, "approve": True},
        {"nope": 1},
    ],
)
def test_option_with_a_wrong_value_is_refused(options):
    with pytest.raises(errors.DefinitionError):
        tool(**options)(refund)


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(errors.DefinitionError, match="two tools are named 'refund'"):
        FakeLLM().task(tools=[refund, tool(refund)])


def test_raw_schemas_and_tools_do_not_mix():
    with pytest.raises(errors.DefinitionError, match="both in one list"):
        FakeLLM().task(tools=[refund, {"type": "function", "function": {"name": "f"}}])


@pytest.mark.parametrize(
    "options",
    [
        {"tools": refund},
        {"max_rounds": 0},
        {"parallel": True},
        {"at_limit": "stop"},
        {"tool_errors": "hide"},
        {"tool_mode": "text"},
        {"max_result_chars": 0},
        {"approver": 3},
        {"deps": [1]},
        {"runs": "runs.db"},
        {"tool_choice": 3},
        {"tools": [refund], "tool_choice": "find"},
        {"tools": [refund], "tool_choice": ["refund", "find"]},
    ],
)
def test_setting_with_a_wrong_value_is_refused(options):
    with pytest.raises(errors.DefinitionError):
        FakeLLM().task(**options)


def test_method_is_a_tool_of_its_object():
    class Shop:
        @tool
        def price(self, item: str) -> int:
            return {"pen": 2}[item]

        def stock(self, item: str) -> int:
            return 5

    shop = Shop()
    assert read_tool(shop.price).parameters.validate({"item": "pen"}) == {"item": "pen"}
    assert read_tool(shop.stock).function(item="pen") == 5
    with pytest.raises(errors.DefinitionError, match="give the method of an object"):
        read_tool(Shop.price)


def test_object_that_is_called_is_a_tool():
    class Double:
        __name__ = "double"

        def __call__(self, number: int) -> int:
            return 2 * number

    assert tool(name="double")(Double()).function(number=2) == 4


def test_types_of_a_function_around_are_found():
    class Place(BaseModel):
        city: str

    def find(place: "Place") -> str: ...

    assert read_tool(find).parameters.validate({"place": {"city": "Oslo"}}) == {"place": Place(city="Oslo")}


def test_task_is_a_tool_under_its_own_words():
    llm = FakeLLM()

    @llm.task
    def rank(message: str) -> int:
        """Rank it

        :param message: What was said
        :return: 1 to 5
        """

    function = read_tool(rank).wire["function"]
    assert function["description"] == "Rank it\n\nReturns: 1 to 5"
    assert function["parameters"]["properties"] == {"message": {"type": "string", "description": "What was said"}}


def test_missing_or_wrong_dependency_is_an_error_before_anything_is_sent():
    def find(city: str, db: Injected[dict]) -> str: ...

    llm = FakeLLM()

    @llm.task(tools=[find])
    def ask(question: str) -> str:
        """{question}"""

    with pytest.raises(TypeError, match="'db' is filled from deps"):
        ask("?")
    with pytest.raises(TypeError, match="expected deps to hold a dict, got 3"):
        ask("?", deps={"db": 3})
    assert llm.requests == []


def test_tool_of_a_module_is_pickled_by_its_function():
    made = pickle.loads(pickle.dumps(tools.Approve(a=1)))  # noqa: S301 - our own
    assert made == tools.Approve(a=1)


def test_public_names_are_there():
    assert declarai.tool is tools.tool
    assert declarai.Injected is tools.Injected
    assert set(tools.__all__) <= set(dir(tools))
