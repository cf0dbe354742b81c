from __future__ import annotations

import functools
import inspect
import linecache
import subprocess
import sys
import typing
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

import declarai_like._prompting.magic as declarai
from declarai_like._prompting.magic import Magic, magic
from declarai_like._prompting.magic import magic as spell
from declarai_like._prompting.signatures import Signature
from declarai_like.errors import DefinitionError

WORDS = "Describe the person"
MEANINGS = {"name": "who it is"}


def rank(message: str, tone: str = "dry") -> int:
    """Rank it

    :param message: the text
    :return score: how urgent
    """


def everything(a, /, b, *args, c, d=4, **kwargs): ...


def run(source, **names):
    """Execute a declaration as a REPL does: without its source in a file."""
    exec(compile(source, "<string>", "exec", dont_inherit=True), names)  # noqa: S102 - that is what this tests
    return Signature.of(names["f"])


def test_a_function_is_read_once():
    signature = Signature.of(rank)
    assert signature.name == "rank"
    assert signature.qualname == "rank"
    assert signature.module == __name__
    assert signature.function is rank
    assert signature.where == f"rank (test_signatures.py:{rank.__code__.co_firstlineno})"
    assert list(signature.signature.parameters) == ["message", "tone"]
    assert signature.annotation is int
    assert signature.is_async is False
    assert signature.doc.text == "Rank it"
    assert signature.return_name == "score"
    assert signature.return_description == "how urgent"
    assert signature.magic is None


def test_where_leaves_out_the_functions_around():
    def local(x) -> str: ...

    assert Signature.of(local).where.startswith("local (test_signatures.py:")


@pytest.mark.parametrize("thing", [print, 5, int, functools.partial(rank), None])
def test_only_functions_become_tasks(thing):
    with pytest.raises(DefinitionError, match="expected a function"):
        Signature.of(thing)


def test_coroutines_and_async_generators_are_async():
    async def coroutine(x) -> int: ...

    async def generator(x) -> AsyncIterator[str]:
        yield x

    @functools.wraps(coroutine)
    def wrapped(*args):
        return coroutine(*args)

    assert [Signature.of(f).is_async for f in (coroutine, generator, wrapped, rank)] == [True, True, True, False]


def test_a_wrapped_function_keeps_its_own_signature():
    @functools.wraps(rank)
    def wrapper(*args, **kwargs): ...

    signature = Signature.of(wrapper)
    assert list(signature.signature.parameters) == ["message", "tone"]
    assert signature.annotation is int


class Holder:
    def method(self, x, y=2) -> int: ...

    @classmethod
    def of_class(cls, x) -> int: ...

    @staticmethod
    def static(x) -> int: ...


@pytest.mark.parametrize(
    ("method", "names", "is_method"),
    [
        (Holder.method, ["x", "y"], True),
        (Holder().method, ["x", "y"], True),
        (Holder.__dict__["of_class"], ["x"], True),
        (Holder.__dict__["static"], ["x"], False),
    ],
)
def test_self_and_cls_are_bound_already(method, names, is_method):
    signature = Signature.of(method)
    assert signature.is_method is is_method
    assert list(signature.signature.parameters) == names
    assert signature.bind((1,), {})["x"] == 1


def test_a_star_parameter_called_self_is_shown():
    def f(*self): ...

    assert Signature.of(f).bind((1,), {}) == {"self": (1,)}


@pytest.mark.parametrize(
    ("args", "kwargs", "bound"),
    [
        (("hi",), {}, {"message": "hi", "tone": "dry"}),
        ((), {"tone": "sad", "message": "hi"}, {"message": "hi", "tone": "sad"}),
        (("hi", "sad"), {}, {"message": "hi", "tone": "sad"}),
    ],
)
def test_arguments_are_bound_and_defaults_apply(args, kwargs, bound):
    assert Signature.of(rank).bind(args, kwargs) == bound


def test_every_kind_of_parameter_is_bound():
    bound = Signature.of(everything).bind((1, 2, 3), {"c": 5, "llm_params": 6, "a": 7})
    assert bound == {"a": 1, "b": 2, "args": (3,), "c": 5, "d": 4, "kwargs": {"llm_params": 6, "a": 7}}


def test_any_name_of_a_parameter_works():
    def f(_string, llm_params, locals, args, kwargs, self_=None): ...  # noqa: A002 - that is what this tests

    assert Signature.of(f).bind((1, 2, 3), {"args": 4, "kwargs": 5})["locals"] == 3


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        (("a", "b", "c"), {}),
        (("a",), {"message": "b"}),
        (("a",), {"bogus": 1}),
    ],
)
def test_wrong_arguments_raise_what_python_raises(args, kwargs):
    with pytest.raises(TypeError) as expected:
        rank(*args, **kwargs)
    with pytest.raises(TypeError) as raised:
        Signature.of(rank).bind(args, kwargs)
    assert str(raised.value) == str(expected.value)
    assert str(raised.value).startswith("rank() ")


@pytest.mark.parametrize(("args", "kwargs"), [((1,), {}), ((1, 2), {}), ((), {"a": 1, "b": 2, "c": 3})])
def test_wrong_arguments_of_every_kind_raise_what_python_raises(args, kwargs):
    with pytest.raises(TypeError) as expected:
        everything(*args, **kwargs)
    with pytest.raises(TypeError) as raised:
        Signature.of(everything).bind(args, kwargs)
    assert str(raised.value) == str(expected.value)


def test_partial_binding_leaves_out_what_is_missing():
    assert Signature.of(rank).bind_partial((), {}) == {"tone": "dry"}
    assert Signature.of(rank).bind_partial(("hi",), {}) == {"message": "hi", "tone": "dry"}
    assert Signature.of(everything).bind_partial((), {"c": None}) == {"args": (), "c": None, "d": 4, "kwargs": {}}


def test_partial_binding_refuses_unknown_arguments():
    with pytest.raises(TypeError, match=r"rank\(\) got an unexpected keyword argument 'bogus'"):
        Signature.of(rank).bind_partial((), {"bogus": 1})


def test_takes_only_what_is_declared():
    def f(llm_params, *args, **kwargs): ...

    signature = Signature.of(f)
    assert [signature.takes(name) for name in ("llm_params", "kwargs", "retries")] == [True, False, False]
    assert signature.variadic == {"args", "kwargs"}


@pytest.mark.parametrize("style", [":param {}: what", "@param {}: what", "\nArgs:\n    {}: what"])
def test_a_description_of_no_parameter_is_refused(style):
    def f(message): ...

    f.__doc__ = "Rank\n" + style.format("mesage")
    with pytest.raises(DefinitionError, match=r"f \(test_signatures.py:\d+\): 'mesage' is described .* are: message"):
        Signature.of(f)


def test_descriptions_of_self_and_of_open_keywords_are_allowed():
    def method(self, x): ...

    def keywords(**facts): ...

    method.__doc__ = ":param self: me\n:param x: it"
    keywords.__doc__ = ":param name: who"
    assert Signature.of(method).doc.params["x"] == "it"
    assert Signature.of(keywords).doc.params == {"name": "who"}


# --- return annotations ---------------------------------------------------------------------------


def test_no_annotation_is_empty():
    def f(x): ...

    assert Signature.of(f).annotation is inspect.Parameter.empty


def test_none_is_a_return_type():
    def f(x) -> None: ...

    assert Signature.of(f).annotation is type(None)


def test_postponed_annotations_keep_their_extras():
    def f(x) -> typing.Annotated[list[int], "positive"]: ...

    assert Signature.of(f).annotation == typing.Annotated[list[int], "positive"]


def test_a_name_that_is_defined_later_is_found():
    def f(x) -> Later: ...  # noqa: F821 - that is what this tests

    signature = Signature.of(f)
    try:
        globals()["Later"] = int
        assert signature.annotation is int
    finally:
        del globals()["Later"]


def test_a_local_class_is_found_while_its_function_runs():
    @dataclass
    class Pet:
        name: str

    def f(x) -> dict[str, Pet]: ...

    assert Signature.of(f).annotation == dict[str, Pet]


def test_a_local_class_around_a_method_is_found():
    class Pet: ...

    class Bot:
        class Reply: ...

        def send(self, message) -> tuple[Pet, Bot]: ...

        inner = Signature.of(send)

        def answer(self, message) -> Reply: ...

        nested = Signature.of(answer)

    assert Bot.inner.local_names["Pet"] is Pet
    assert Bot.nested.annotation is Bot.Reply
    assert Signature.of(Bot.send).annotation == tuple[Pet, Bot]


def closed_over():
    class Pet: ...

    def f(x) -> Pet:
        return Pet(unassigned, x)

    yield f, Pet
    unassigned = None


def test_a_closed_over_class_is_found_after_its_function_ran():
    (f, pet), *_ = closed_over()
    assert Signature.of(f).annotation is pet


def test_a_name_that_is_not_assigned_yet_does_no_harm():
    f, pet = next(closed_over())
    assert Signature.of(f).annotation is pet


def test_names_in_strings_are_resolved():
    assert run("def f(x) -> list['Pet']: ...", Pet=int).annotation == list[int]
    assert run("def f(x) -> dict[str, list['Pet']]: ...", Pet=int).annotation == dict[str, list[int]]
    assert run("def f(x) -> 'Pet | None': ...", Pet=int).annotation == int | None


@pytest.mark.parametrize("annotation", ["Unknown", "'list['", "inspect.nothing"])
def test_a_return_type_that_cannot_be_resolved_is_refused(annotation):
    signature = run(f"from __future__ import annotations\ndef f(x) -> {annotation}: ...", inspect=inspect)
    with pytest.raises(DefinitionError, match=r"f \(<string>:2\): the return type .* cannot be resolved"):
        signature.annotation  # noqa: B018 - reading it resolves it


def test_annotations_of_parameters_are_left_alone():
    def f(x: NotImported) -> int: ...  # noqa: F821 - imported for checkers only, say

    assert Signature.of(f).annotation is int


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 695 is syntax of Python 3.12") if False else lambda f: f
def test_type_parameters_are_known():
    f = run("def f(x) -> 'list[T]': ...").function
    f.__type_params__ = (typing.TypeVar("T"),)
    assert Signature.of(f).annotation == list[f.__type_params__[0]]


# --- magic ----------------------------------------------------------------------------------------


def bare_variable(movie: str) -> list[str]:
    return magic(movie)


def keyword(real_name: str) -> str:
    """Say it"""
    return declarai.magic(real_name=real_name)


def instead_of_docstring(real_name: str) -> str:
    return declarai.magic(
        real_name=real_name,
        description="""
            Describe the person
            in a line
        """,
        params={"real_name": "who it is"},
        returns="the nickname",
    )


def old_keywords(x: str) -> list[str]:
    return declarai.magic(
        "nicks", task_desc="Find nicknames", input_desc={"x": "a name"}, output_desc="all of them", x=x
    )


def named_with_keyword(title: str) -> list[str]:
    return declarai.magic("poem", title=title)


def named_with_variable(title: str) -> list[str]:
    return declarai.magic("poem", title)


def attribute_of_class(title: str) -> list[str]:
    return declarai.Declarai.magic(return_name="poem", title=title)


def other_name(title: str) -> list[str]:
    return spell("poem", title)


def formatted(title: str) -> list[str]:
    return magic(f"a {title}", description=f"of {title}", params={title: "x", "title": 5}, returns=title.upper())


def own_parameters(description: str, params: str, name: str) -> str:
    return magic(description=description, params=params, returns=name)


def constants(name: str) -> str:
    """Say"""
    return magic(name, description=WORDS, params=MEANINGS)


def partly_constant(name: str) -> str:
    return magic(params={"name": WORDS, **MEANINGS})


async def in_coroutine(x: str) -> list[str]:
    items: list[str] = magic("items", x)
    return items


def only_in_docstring(x: str) -> str:
    """Cast magic("spell") and magic(x) on it"""


def as_attribute_only(x) -> str:
    return x.magic.wand


def described_by_number(x) -> str:
    return magic(5, x, params=WORDS, description=None)


def called_on_the_result(functions) -> str:
    return functions[0]("no name") or magic("right")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (bare_variable, Magic()),
        (keyword, Magic()),
        (
            instead_of_docstring,
            Magic(None, "Describe the person\nin a line", {"real_name": "who it is"}, "the nickname"),
        ),
        (old_keywords, Magic("nicks", "Find nicknames", {"x": "a name"}, "all of them")),
        (named_with_keyword, Magic("poem")),
        (named_with_variable, Magic("poem")),
        (attribute_of_class, Magic("poem")),
        (other_name, Magic("poem")),
        (formatted, Magic()),
        (own_parameters, Magic()),
        (constants, Magic(None, "Describe the person", {"name": "who it is"})),
        (partly_constant, Magic(None, "", {"name": "Describe the person"})),
        (in_coroutine, Magic("items")),
        (only_in_docstring, None),
        (as_attribute_only, None),
        (described_by_number, Magic()),
        (called_on_the_result, Magic("right")),
    ],
)
def test_magic_is_read_from_the_source(function, expected):
    assert Signature.of(function).magic == expected


def test_magic_in_a_nested_decorated_function_is_read():
    closed = "closed over"

    def decorator(text):
        return lambda function: function

    other = lambda x: magic("wrong", x)  # noqa: E731 - a lambda nearby

    @decorator(
        """
text at the margin"""
    )
    @decorator(lambda x: x)
    def nested(x: str) -> list[str]:
        text = """
not indented"""
        return magic("right", text, description=closed)

    assert other is not nested
    assert Signature.of(nested).magic == Magic("right", "closed over")


def test_magic_wins_over_the_docstring():
    def f(x, y) -> str:
        """Say

        :param x: old
        :param y: kept
        :return old_name: old result
        """
        return magic("key", description="Shout", params={"x": "new"}, returns="new result")

    signature = Signature.of(f)
    assert signature.doc.text == "Shout"
    assert signature.doc.params == {"x": "new", "y": "kept"}
    assert signature.return_name == "key"
    assert signature.return_description == "new result"


def test_magic_that_says_nothing_leaves_the_docstring():
    assert Signature.of(keyword).doc.text == "Say it"


def test_magic_must_describe_parameters():
    def f(x) -> str:
        return magic(params={"y": "no parameter"})

    with pytest.raises(DefinitionError, match="'y' is described but is no parameter"):
        Signature.of(f)


def test_a_function_without_source_works_and_its_magic_is_passed_over():
    signature = run("def f(movie: str) -> 'list[str]':\n  'Rate it'\n  return magic('rating', movie)", magic=magic)
    assert signature.where == "f (<string>:1)"
    assert (signature.magic, signature.doc.text, signature.annotation) == (None, "Rate it", list[str])


@pytest.mark.parametrize("source", ["def other(x): ...\n", "def f(:\n", "x = (\n", "\n"])
def test_source_that_changed_since_is_passed_over(source):
    names = {"magic": magic}
    exec(compile("def f(x) -> str: return magic('key', x)", "changed.py", "exec"), names)  # noqa: S102 - as above
    linecache.cache["changed.py"] = (len(source), None, source.splitlines(keepends=True), "changed.py")
    assert Signature.of(names["f"]).magic is None


def test_magic_called_for_real_says_that_it_is_a_placeholder():
    with pytest.raises(DefinitionError, match="placeholder"):
        bare_variable("Jaws")


@pytest.mark.parametrize("how", ["-c", "-"])
def test_declarations_on_the_command_line_work(how):
    code = """
from __future__ import annotations
from declarai_like._prompting.magic import magic
from declarai_like._prompting.signatures import Signature
def f(x: str, y: int = 1) -> list[str]:
    "Find"
    return magic("key", x=x)
signature = Signature.of(f)
assert signature.annotation == list[str]
assert signature.bind(("a",), {}) == {"x": "a", "y": 1}
"""
    subprocess.run([sys.executable, how, code], input=code, text=True, check=True)  # noqa: S603 - the code stands above


def test_reading_a_signature_loads_nothing_heavy():
    code = """
import sys
from declarai_like._prompting.signatures import Signature
def f(x: str) -> int: "Rank it"
Signature.of(f).annotation
assert not {"jinja2", "pydantic", "docstring_parser"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - the code stands above
