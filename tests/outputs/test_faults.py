"""JSON of any model, broken by one fault: the right value or an error, never another one."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outputs.test_partials import MODELS, OUTPUTS, fed, grew

from declarai_like.errors import OutputError

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time

IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
HARMLESS_ESCAPE = re.compile(r'\\(?![\\"/bfnrtu\'`“”’]|\Z)')  # noqa: RUF001 - they are meant


class Writer:
    """Writes data as JSON, as a model does that makes one mistake all over."""

    comma = ", "
    last_comma = ""
    object_comma = ", "
    words = {True: "true", False: "false", None: "null"}  # noqa: RUF012 - no one changes it

    def key(self, key):
        return self.text(key)

    def text(self, text):
        return json.dumps(text, ensure_ascii=False)

    def write(self, data):
        if isinstance(data, str):
            return self.text(data)
        if data is None or isinstance(data, bool):
            return self.words[data]
        if isinstance(data, dict):
            members = [f"{self.key(key)}: {self.write(value)}" for key, value in data.items()]
            return "{" + self.object_comma.join(members) + (self.last_comma if members else "") + "}"
        if isinstance(data, list):
            return "[" + self.comma.join(map(self.write, data)) + (self.last_comma if data else "") + "]"
        return json.dumps(data)


class LineComments(Writer):
    comma = object_comma = ', // it\'s "more"\n'


class BlockComments(Writer):
    comma = object_comma = " /* more, */, "


class HashComments(Writer):
    comma = object_comma = ", # more\n"


class TrailingCommas(Writer):
    last_comma = ","


class DoubledCommas(Writer):
    comma = object_comma = ",, "


class MissingCommas(Writer):
    object_comma = " "


class PythonWords(Writer):
    words = {True: "True", False: "False", None: "None"}  # noqa: RUF012 - no one changes it


class SingleQuotes(Writer):
    def text(self, text):
        inner = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
        return f"'{inner}'"


class CurlyQuotes(Writer):
    def text(self, text):
        inner = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"')
        return json.dumps(text) if re.search("[“”]", text) else f"“{inner}”"


class TripleQuotes(Writer):
    def key(self, key):
        return json.dumps(key)

    def text(self, text):
        return json.dumps(text) if '"' in text else f'""{json.dumps(text, ensure_ascii=False)}""'


class Backticks(Writer):
    def text(self, text):
        inner = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"')
        return json.dumps(text) if "`" in text else f"`{inner}`"


class BareKeys(Writer):
    def key(self, key):
        return key if IDENTIFIER.fullmatch(key) else json.dumps(key)


class RawNewlines(Writer):
    def text(self, text):
        return (
            json.dumps(text, ensure_ascii=False).replace("\\n", "\n").replace("\\t", "\t")
            if "\\" not in text
            else json.dumps(text)
        )


class UnescapedQuotes(Writer):
    def key(self, key):
        return json.dumps(key)

    def text(self, text):
        return f'"{text}"' if re.fullmatch(r"[^\\\x00-\x1f]*", text) else json.dumps(text)


class InvalidEscapes(Writer):
    def text(self, text):
        whole = HARMLESS_ESCAPE.sub("", text)
        return f'"{text}"' if "\\" not in whole and '"' not in text and text.isprintable() else json.dumps(text)


FAULTS = {kind.__name__: kind() for kind in Writer.__subclasses__()}
bounded = settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],  # a machine may be busy
)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", MODELS)
def test_one_fault_never_makes_another_value(name, fault):
    output = OUTPUTS[name]

    @bounded
    @given(MODELS[name][1], st.data())
    def check(value, choice):
        exact = output.encode(value)
        text = FAULTS[fault].write(json.loads(exact))
        cuts = sorted(choice.draw(st.lists(st.integers(0, len(text)), max_size=12)))
        partials = output.partials()
        shown = [fed(partials, text[start:end]) for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        try:
            read = output.parse(text).value
        except OutputError:
            return

        assert read == output.parse(exact).value
        assert all(grew(before, after) for before, after in zip(shown, [*shown[1:], read], strict=True))
        assert partials.value == read

    check()
