"""What is done at every chunk: nothing that a filter holds back is ever shown, and all that it gives is."""

import json
import re
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_format import chunk, of_choices, text, tool

import declarai_like as declarai
from declarai_like._wire.accumulator import DONE, Accumulator
from declarai_like._wire.event_builder import EventBuilder
from declarai_like._wire.hooks import HookedReader
from declarai_like.errors import DefinitionError, StreamInterrupted
from declarai_like.middleware import observe, redact, rewrite
from declarai_like.middleware.hooks import Redactor
from declarai_like.testing import broken_off, stream_reply, text_reply

SECRET = "sk-secret-key"
MASK = "**********"


def cut_after(reply, writes):
    """Send so many writes of a reply, then close the connection without its end."""
    return broken_off(reply, sum(map(len, reply.writes[:writes])))


def slogan(product: str) -> str:
    """Write a slogan"""


class Upper:
    """Holds back the last character, and shouts."""

    def __init__(self):
        self.held = ""

    def feed(self, text):
        text = self.held + text
        self.held = text[-1:]
        return text[:-1].upper()

    def close(self):
        return self.held.upper()


def read(*chunks, filters=(Upper,), observers=(), done=True):
    """Read chunks through hooks, as a plain generator does."""
    reader = HookedReader(Accumulator(), filters, observers)
    steps = [reader.feed(one) for one in [*chunks, *([DONE] if done else [])]]
    return [*(step for step in steps if step is not None), reader.finish()]


def redacted(pieces, *secrets, **options):
    pattern = re.compile("|".join(map(re.escape, secrets)))
    redactor = Redactor(pattern, max(map(len, secrets)), MASK)
    return [*map(redactor.feed, pieces), redactor.close()]


def test_held_back_text_is_shown_with_the_finish_reason():
    *_, last = read(chunk("ab"), chunk("c"), chunk(finish="stop"))
    assert (last.response, last.content, last.finish_reason) == ("ABC", "C", "stop")


def test_held_back_text_of_a_stream_without_a_finish_reason_is_shown_at_its_end():
    *_, before, last = read(chunk("ab"))
    assert (before.content, before.response, last.response) == ("B", "AB", "AB")


def test_held_back_text_of_a_stream_that_breaks_off_is_never_shown():
    reader = HookedReader(Accumulator(), (Upper,), ())
    reader.feed(chunk("ab"))
    with pytest.raises(StreamInterrupted):
        reader.finish()
    assert reader.feed(chunk()).response == "A"


def test_raw_response_and_deltas_show_what_the_filter_gave():
    first, *_ = read(chunk("ab", role="assistant"), chunk(finish="stop"))
    assert first.raw_response["choices"][0]["delta"] == {"role": "assistant", "content": "A"}


def test_chunks_that_came_are_not_changed():
    came = chunk("ab")
    read(came, chunk(finish="stop"))
    assert came == chunk("ab")


def test_text_after_the_end_is_filtered_by_itself():
    *_, last = read(chunk("ab", "stop"), chunk("cd"))
    assert last.response == "ABCD"


def test_each_field_has_a_filter_of_its_own():
    parts = [{"reasoning_content": "why"}, {"refusal": "no"}, {"content": "ab"}]
    *_, last = read(*(chunk(**part) for part in parts), chunk(finish="stop"))
    assert (last.reasoning, last.refusal, last.response) == ("WHY", "NO", "AB")


def test_each_choice_has_a_filter_of_its_own():
    observed = []
    chunks = [of_choices(*(chunk(letter, index=index)["choices"][0] for index, letter in enumerate("ab")))]
    reader = HookedReader(Accumulator(choices=2), (Upper,), (observed.append,))
    for one in [*chunks, *chunks, DONE]:
        reader.feed(one)
    contents = [[choice["delta"]["content"] for choice in one["choices"]] for one in observed]
    assert contents == [["", ""], ["A", "B"], ["A", "B"]]


def test_arguments_of_tool_calls_are_filtered_call_by_call():
    *_, last = read(
        chunk(tool_calls=[tool(0, "c0", "f", '{"a"'), tool(1, "c1", "g", '{"b"')]),
        chunk(tool_calls=[tool(0, arguments=":1}")]),
        chunk(tool_calls=[tool(1, arguments=":2}"), None]),
        chunk(finish="tool_calls"),
    )
    assert [call.arguments for call in last.tool_calls] == ['{"A":1}', '{"B":2}']


def test_tool_call_without_a_function_stays_as_it_came():
    first, *_ = read(chunk(tool_calls=[{"index": 0, "id": "c"}]), chunk(finish="stop"))
    assert first.raw_response["choices"][0]["delta"]["tool_calls"] == [{"index": 0, "id": "c"}]


def test_log_probabilities_are_left_out_for_they_repeat_the_text():
    tokens = {"content": [{"token": "ab", "logprob": -1}]}
    *_, last = read(chunk("ab", logprobs=tokens), chunk(finish="stop"))
    assert last.logprobs is None


def test_text_completion_is_filtered():
    steps = read(text("ab"), text("c", "stop", logprobs={"tokens": ["c"]}))
    assert [step.content for step in steps] == ["A", "BC"]


def test_text_completion_without_a_finish_reason_is_whole_at_its_end():
    assert read(text("ab"))[-1].response == "AB"


def test_whole_answer_is_filtered():
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "ab"}, "finish_reason": "stop"}]}
    (last,) = read(body)
    assert (last.response, last.content) == ("AB", "AB")


def test_text_of_several_parts_is_filtered_as_one():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    *_, last = read(chunk(parts), chunk(finish="stop"))
    assert last.response == "AB"


def test_chunk_without_choices_stays_as_it_came():
    observed = []
    usage = of_choices(usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
    *_, last = read(chunk("a", "stop"), usage, observers=(observed.append,))
    assert (observed[-1], last.total_tokens) == (usage, 3)


def test_observers_see_what_the_filters_have_left():
    observed = []
    read(chunk("ab"), chunk(finish="stop"), observers=(observed.append,))
    assert [one["choices"][0]["delta"].get("content") for one in observed] == ["A", "B"]


def test_without_filters_observers_see_the_very_chunks():
    observed, came = [], [chunk("ab"), chunk(finish="stop")]
    read(*came, filters=(), observers=(observed.append,))
    assert [one is other for one, other in zip(observed, came, strict=True)] == [True, True]


def test_events_show_what_the_filter_gave():
    reader = HookedReader(EventBuilder(Accumulator()), (Upper,), ())
    told = [event for one in (chunk("ab"), chunk(finish="stop"), DONE) for event in reader.feed(one) or ()]
    reader.finish()
    kinds = [event.type for event in told]
    assert kinds == ["chunk", "content.delta", "chunk", "content.delta", "content.done"]
    assert (told[-1].content, told[2].chunk.choices[0].delta.content) == ("AB", "B")


def test_secret_split_over_chunks_is_never_shown(server, streaming_llm, way):
    server.enqueue(stream_reply(["the key is sk", "-sec", "ret-", "key, you", " see"]))
    task = streaming_llm.task(middlewares=[redact(SECRET)])(way.define(slogan))
    steps = way.collect(task("x"))
    shown = json.dumps([dict(step) for step in steps], default=str)
    assert steps[-1].response == f"the key is {MASK}, you see"
    assert not any(part in shown for part in ("sk-", "-sec", "ret-"))


def test_secret_in_a_whole_answer_is_not_shown(server, llm, way):
    server.enqueue(text_reply(f"it is {SECRET}"))
    result = way.run(llm.task(middlewares=[redact(SECRET)])(way.define(slogan)), "x")
    assert (result.value, SECRET in str(result.response.raw_response)) == (f"it is {MASK}", False)


def test_beginning_of_a_secret_in_a_broken_stream_is_not_in_the_error(server, streaming_llm, way):
    server.enqueue(cut_after(stream_reply(["it is sk-sec", "ret"]), 3))
    task = streaming_llm.task(middlewares=[redact(SECRET)])(way.define(slogan))
    with pytest.raises(StreamInterrupted) as caught:
        way.collect(task("x"))
    assert caught.value.response.response == "it "


def test_secret_in_events_is_not_shown(server, llm, way):
    server.enqueue(stream_reply([f"it is {SECRET[:6]}", SECRET[6:], "!"]))
    task = llm.task(middlewares=[redact(SECRET)])(way.define(slogan))
    events = way.events(task.stream("x"))
    assert "".join(event.delta for event in events if event.type == "content.delta") == f"it is {MASK}!"


def test_observed_chunks_are_those_that_are_shown(server, streaming_llm, way):
    observed = []
    server.enqueue(stream_reply(["a", "b"]))
    task = streaming_llm.task(middlewares=[observe(observed.append)])(way.define(slogan))
    steps = way.collect(task("x"))
    assert [step.raw_response for step in steps] == [one for one in observed if one["choices"]]


def test_middleware_closest_to_the_model_filters_first(server, llm):
    server.enqueue(text_reply("ab"))
    task = llm.task(middlewares=[redact("AB"), rewrite(Upper)])(slogan)
    assert task("x") == MASK


def test_observer_that_raises_ends_the_call(server, llm, way):
    def fail(_):
        raise RuntimeError("stop")

    server.enqueue(text_reply("ab"))
    with pytest.raises(RuntimeError, match="stop"):
        way.call(llm.task(middlewares=[observe(fail)])(way.define(slogan)), "x")


def test_prompts_and_chats_are_filtered_alike(server, llm):
    @llm.chat(middlewares=[redact("Berlin")])
    class Bot:
        """You know cities"""

    server.enqueue(text_reply("Berlin"))
    bot = Bot()
    assert (bot.send("where?"), bot.conversation[-1].message) == (MASK, MASK)


def test_middleware_of_the_provider_filters_all_that_it_answers(server, openai):
    llm = openai(middlewares=[redact("Berlin")])
    server.enqueue(text_reply("Berlin"), text_reply("Berlin"))
    assert (llm.send("where?").response, llm.task(slogan)("x")) == (MASK, MASK)


@pytest.mark.parametrize("make", [redact, partial(redact, ""), partial(redact, 3), partial(redact, "x", longest=0)])
def test_only_secrets_can_be_redacted(make):
    with pytest.raises(DefinitionError, match="texts that are not empty, or compiled patterns"):
        make()


@pytest.mark.parametrize("make", [observe, rewrite])
def test_hooks_are_functions(make):
    with pytest.raises(DefinitionError, match="expected a"):
        make("no function")


@given(st.text("abc", max_size=30), st.lists(st.integers(0, 30)), st.lists(st.text("abc", min_size=1), min_size=1))
def test_redacted_text_does_not_depend_on_how_it_is_split(whole, cuts, secrets):
    borders = sorted({0, *(cut for cut in cuts if cut < len(whole)), len(whole)})
    pieces = [whole[start:end] for start, end in pairwise(borders)]
    ordered = sorted(secrets, key=len, reverse=True)
    expected = re.sub("|".join(map(re.escape, ordered)), MASK, whole)
    assert "".join(redacted(pieces, *ordered)) == expected


def test_text_is_held_back_no_longer_than_a_secret_may_be():
    assert redacted(["abcdefgh"], "xyz") == ["abcdef", "gh"]


def test_match_that_may_still_grow_is_held_back():
    redactor = Redactor(re.compile(r"sk-\w+"), 4, MASK)
    assert [redactor.feed(piece) for piece in ("a sk-12345", "67", " b")] == ["a ", "", f"{MASK}"]
    assert redactor.close() == " b"


def test_pattern_may_look_behind_what_was_shown():
    redactor = Redactor(re.compile(r"(?<=id:)\d"), 5, MASK)
    assert "".join([*map(redactor.feed, ["xxxxid", ":", "7", "yyyyyyyy", "7"]), redactor.close()]) == (
        f"xxxxid:{MASK}yyyyyyyy7"
    )


def test_empty_matches_blank_out_nothing():
    redactor = Redactor(re.compile("x*"), 3, MASK)
    assert redactor.feed("abcdef") + redactor.close() == "abcdef"


def test_several_patterns_are_all_blanked_out(server, llm):
    server.enqueue(text_reply("call 555-1234 or mail a@b.cc"))
    task = llm.task(middlewares=[redact("mail", re.compile(r"\d{3}-\d{4}"), re.compile(r"\S+@\S+"), mask="#")])(slogan)
    assert task("x") == "call # or # #"


def test_hooks_are_exported():
    assert declarai.middleware.redact is redact
