"""How answers end: what a success is, what a failure is, and that neither is taken for the other."""

import json
import pickle

import pytest
from pydantic import BaseModel
from wire_format import USAGE, chunk, of_choices, responses, sse, tool

from declarai_like import errors
from declarai_like._values.outcomes import ending_of, finish_reason_of, outcome_of
from declarai_like.testing import bytes_reply, json_reply, stream_reply, text_reply

STOP = chunk(finish="stop")


class City(BaseModel):
    name: str


class Asker:
    """Asks by a task, whole or streamed, blocking or awaiting; `steps` are those of a stream."""

    def __init__(self, way, streaming):
        self.way, self.streaming = way, streaming
        self.steps = []

    def __call__(self, llm, answer=str, **options):
        def ask(question: str):
            """Answer the question"""

        ask.__annotations__["return"] = answer
        self.task = task = llm.task(streaming=self.streaming, **options)(self.way.define(ask))
        self.steps = []
        if self.streaming:
            self.way.collect(task("why?"), self.steps)
            return task.llm_response
        return self.way.last(task, "why?")

    def reply(self, text, reason="stop", **options):
        if self.streaming:
            return stream_reply([text], finish_reason=reason, **options)
        return text_reply(text, finish_reason=reason, **options)

    def answer(self, message, reason="stop"):
        """Give an answer with fields of its own."""
        if self.streaming:
            return bytes_reply([sse(of_choices({"index": 0, "delta": message}), chunk(finish=reason))])
        return json_reply(of_choices({"index": 0, "message": message, "finish_reason": reason}))


@pytest.fixture(params=["whole", "stream"])
def ask(request, way):
    return Asker(way, request.param == "stream")


@pytest.fixture
def stream(way):
    return Asker(way, streaming=True)


# 1: what the words mean

WORDS = {
    "complete": """stop STOP end_turn EOS eos_token stop_sequence tool_calls function_call tool_use COMPLETE completed
        pause_turn normal LANGUAGE OTHER endoftext natural something_else unknown""",
    "truncated": """length LENGTH model_length max_tokens MAX_TOKENS maxTokens max-tokens max_output_tokens maximum_tokens
        max_new_tokens model_context_window_exceeded context_length_exceeded token_limit ERROR_LIMIT REASON_MAX_LEN
        REASON_MAX_CONTEXT max_length truncated incomplete limit FinishReason.MAX_TOKENS""",
    "filtered": """content_filter content-filter contentFilter content_filtered sensitive SAFETY RECITATION BLOCKLIST
        PROHIBITED_CONTENT SPII IMAGE_SAFETY IMAGE_OTHER guardrail_intervened ERROR_TOXIC blacklist MODEL_ARMOR
        moderation flagged policy_violation""",
    "failed": """error ERROR network_error insufficient_system_resource abort aborted cancelled USER_CANCEL timeout TIMEOUT
        server_error internal_error time_limit MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL malformed_model_output
        engine_overloaded rate_limit failed""",
    "refused": "refusal REFUSAL refused",
}
ROWS = [(word, ending) for ending, words in WORDS.items() for word in words.split()]


@pytest.mark.parametrize(("word", "ending"), ROWS)
def test_words_for_an_end_mean_one_of_five(word, ending):
    assert ending_of(word) == ending
    expected = {"failed": "interrupted"}.get(ending, ending)
    assert outcome_of(word) == expected


@pytest.mark.parametrize(
    "word", ["", "null", "NULL", "None", "undefined", "FINISH_REASON_UNSPECIFIED", "not_finished", None, 5]
)
def test_words_for_no_end_are_none(word):
    assert finish_reason_of(word) is None


@pytest.mark.parametrize("reason", ["model_length", "MAX_TOKENS", "max_output_tokens"])
def test_cut_answer_is_truncated(ask, openai, server, reason):
    llm = openai()
    server.enqueue(ask.reply("Take 5 mg, but nev", reason))
    response = ask(llm)
    assert (response.outcome, response.finish_reason, response.response) == ("truncated", reason, "Take 5 mg, but nev")
    server.enqueue(ask.reply('{"name": "Os', reason))
    with pytest.raises(errors.OutputTruncated):
        ask(llm, City)


@pytest.mark.parametrize("reason", ["sensitive", "SAFETY", "guardrail_intervened"])
def test_filtered_answer_is_filtered(ask, openai, server, reason):
    llm = openai()
    server.enqueue(ask.reply("Take 5 mg, but nev", reason))
    response = ask(llm)
    assert (response.outcome, response.finish_reason) == ("filtered", reason)
    server.enqueue(ask.reply('{"name": "Os', reason))
    with pytest.raises(errors.ContentFiltered):
        ask(llm, City)


@pytest.mark.parametrize("reason", ["network_error", "insufficient_system_resource", "Abort", "error"])
@pytest.mark.parametrize("answer", [str, City])
def test_failed_answer_is_an_error_with_what_had_come(ask, openai, server, reason, answer):
    server.enqueue(ask.reply("Take 5 mg, but nev", reason))
    with pytest.raises(errors.ProviderError) as caught:
        ask(openai(), answer)
    error = caught.value
    assert (error.response.response, error.response.outcome) == ("Take 5 mg, but nev", "interrupted")
    assert error.completion.choices[0].message.content == "Take 5 mg, but nev"
    assert pickle.loads(pickle.dumps(error)).response == error.response  # noqa: S301 - our own


@pytest.mark.parametrize("reason", ["network_error", "abort"])
def test_failed_answer_is_asked_again_while_nothing_was_shown(ask, openai, server, reason):
    broken = json_reply(of_choices({"index": 0, "message": {"content": "Take"}, "finish_reason": reason}))
    if ask.streaming:
        broken = bytes_reply([sse(chunk("Take", reason))])
    server.enqueue(broken, ask.reply("fine"))
    response = ask(openai(max_retries=1))
    assert (response.response, len(server.requests)) == ("fine", 2)


def test_failed_answer_that_was_shown_is_not_asked_again(stream, openai, server):
    server.enqueue(stream_reply(["Take 5 mg"], finish_reason="network_error"), stream.reply("fine"))
    with pytest.raises(errors.ProviderError, match="network_error") as caught:
        stream(openai(max_retries=1))
    assert (caught.value.phase, len(server.requests)) == ("stream", 1)
    assert [step.content for step in stream.steps][-1] == "Take 5 mg"


def test_failed_answer_goes_to_the_fallback(ask, openai, server):
    from declarai_like.middleware import fallback

    broken = json_reply(of_choices({"index": 0, "message": {"content": "Take"}, "finish_reason": "abort"}))
    server.enqueue(bytes_reply([sse(chunk("Take", "abort"))]) if ask.streaming else broken, ask.reply("fine"))
    assert ask(openai(), middlewares=[fallback(openai(model="other"))]).response == "fine"


def test_word_of_refusal_is_a_refusal(ask, openai, server):
    llm = openai()
    server.enqueue(ask.answer({"content": ""}, "refusal"))
    with pytest.raises(errors.ModelRefusal):
        ask(llm)
    server.enqueue(ask.reply("I would rather", "refusal"))
    assert ask(llm).outcome == "refused"
    server.enqueue(ask.reply("I would rather", "refusal"))
    with pytest.raises(errors.ModelRefusal):
        ask(llm, City)


def test_failed_turn_enters_no_history(way, openai, server):
    @openai().chat
    class Bot:
        """You are brief."""

    bot = Bot()
    server.enqueue(text_reply("Take", finish_reason="network_error"))
    with pytest.raises(errors.ProviderError):
        way.do(bot.asend("dose?") if way.is_async else bot.send("dose?"))
    assert bot.conversation == []


# 2: no choice at all, and errors of other shapes

ERRORS = {
    "code and message": ({"code": "rate_limit_daily", "message": "too many"}, errors.RateLimited, "too many"),
    "detail": ({"detail": "Model overloaded"}, errors.ProviderError, "Model overloaded"),
    "details": ({"detail": [{"msg": "Field required"}]}, errors.ProviderError, "Field required"),
    "msg": ({"success": False, "msg": "no balance"}, errors.ProviderError, "no balance"),
    "code and msg": ({"code": 50000, "msg": "server busy", "data": None}, errors.ProviderError, "server busy"),
    "type": ({"type": "overloaded_error", "message": "x"}, errors.ServerError, "x"),
    "base_resp": (
        {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}},
        errors.ProviderError,
        "rate limit",
    ),
    "error_code": ({"error_code": 17, "error_msg": "daily limit"}, errors.ProviderError, "daily limit"),
    "errors": ({"errors": [{"message": "no such model"}]}, errors.ProviderError, "no such model"),
    "empty choices": ({"choices": [], "code": 429, "message": "slow"}, errors.RateLimited, "slow"),
    "code as text": ({"error": {"message": "Bad gateway", "code": "502"}}, errors.ServerError, "Bad gateway"),
    "a list": (
        [{"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}}],
        errors.RateLimited,
        "Quota",
    ),
    "a status in words": ({"error": {"message": "Q", "status": "RESOURCE_EXHAUSTED"}}, errors.RateLimited, "Q"),
    "errors in a list": ({"error": [{"message": "first"}, {"message": "second"}]}, errors.ProviderError, "first"),
    "groq": ({"x_groq": {"error": "stream failed"}, "choices": []}, errors.ProviderError, "stream failed"),
    "problem": ({"title": "Overloaded", "status": 503, "detail": "later"}, errors.ServerError, "later"),
    "object": ({"object": "error", "message": "m", "code": 40303}, errors.ProviderError, "m"),
    "nested": ({"error": {"error": {"message": "inner", "code": 503}}}, errors.ServerError, "inner"),
}


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(("event", "kind", "words"), ERRORS.values(), ids=ERRORS)
def test_error_of_any_shape_is_told(stream, openai, server, event, kind, words, done):  # noqa: PLR0917 - a table
    llm = openai()
    server.enqueue(bytes_reply([sse(event, done=done)]))
    with pytest.raises(kind, match=words) as caught:
        stream(llm)
    assert caught.value.response is None
    server.enqueue(bytes_reply([sse(chunk("Take 5"), event, done=done)]))
    with pytest.raises(kind, match=words) as caught:
        stream(llm)
    assert caught.value.response.response == "Take 5"


@pytest.mark.parametrize("name", ["code and message", "a list", "base_resp", "error_code", "type", "msg"])
def test_error_of_any_shape_as_a_body_is_told(ask, openai, server, name):
    body, kind, words = ERRORS[name]
    server.enqueue(json_reply(body))
    with pytest.raises(kind, match=words):
        ask(openai())


@pytest.mark.parametrize(
    "extra",
    [
        {"code": 0, "msg": "success"},
        {"code": 200, "message": "OK"},
        {"success": True},
        {"base_resp": {"status_code": 0}},
    ],
)
def test_word_of_success_is_no_error(stream, openai, server, extra):
    server.enqueue(bytes_reply([sse({**chunk("4"), **extra}, extra, {**STOP, **extra})]))
    assert stream(openai()).response == "4"


@pytest.mark.parametrize(
    "events",
    [[{"foo": 1}], [{}], [of_choices(usage=USAGE)], [{"prompt_filter_results": []}], [{"type": "message_start"}]],
)
@pytest.mark.parametrize("answer", [str, int])
def test_stream_without_a_choice_is_no_answer(stream, openai, server, events, answer):
    server.enqueue(bytes_reply([sse(*events)]))
    with pytest.raises(errors.InvalidResponse) as caught:
        stream(openai(), answer)
    assert json.dumps(events[0])[1:12] in str(caught.value)


def test_text_in_value_is_a_text_completion(way, openai, server):
    server.enqueue(bytes_reply([sse({"value": "Once"}, {"value": " upon"})]))
    llm = openai()
    steps = way.collect((llm.acomplete if way.is_async else llm.complete)("Tell", streaming=True))
    assert ("".join(step.content for step in steps), steps[-1].outcome) == ("Once upon", "complete")


def test_key_that_an_error_repeats_is_blanked_out_and_the_answer_is_not(stream, openai, server):
    llm = openai()
    server.enqueue(
        bytes_reply([sse({**chunk("sk-test is"), "note": "sk-test"}, {"code": 1, "msg": "no: sk-test"})]),
        bytes_reply([sse(chunk("an error of sk-test"), {**chunk("!", "network_error"), "note": "sk-test"})]),
    )
    with pytest.raises(errors.ProviderError) as caught:
        stream(llm)
    assert caught.value.response.response == "sk-test is"
    assert "sk-test" not in f"{caught.value} {caught.value.body}"
    with pytest.raises(errors.ProviderError) as caught:
        stream(llm)
    assert caught.value.response.response == "an error of sk-test!"
    assert "sk-test" not in caught.value.body["note"]


# 3: choices other than the first


@pytest.mark.parametrize(
    ("text", "reason", "kind"),
    [
        ('{"na', "length", errors.OutputTruncated),
        ('{"na', "MAX_TOKENS", errors.OutputTruncated),
        ('{"na', "content_filter", errors.ContentFiltered),
        ("nonsense", "stop", errors.OutputError),
    ],
)
def test_error_of_any_choice_is_told(way, openai, server, text, reason, kind):  # noqa: PLR0917 - a table
    llm = openai()
    good, bad = {"content": '{"name": "Oslo"}'}, {"content": text}
    server.enqueue(
        bytes_reply([sse(chunk(**good), chunk(**bad, index=1), STOP, chunk(finish=reason, index=1))]),
        json_reply(
            of_choices(
                {"index": 0, "message": good, "finish_reason": "stop"},
                {"index": 1, "message": bad, "finish_reason": reason},
            )
        ),
    )
    with pytest.raises(kind) as caught:
        way.events((llm.astream if way.is_async else llm.stream)("?", output_type=City, n=2))
    assert [choice.message.parsed for choice in caught.value.completion.choices] == [City(name="Oslo"), None]
    with pytest.raises(kind):
        way.do((llm.asend if way.is_async else llm.send)("?", output_type=City, n=2))


def test_strict_arguments_of_any_choice_are_read():
    bad = chunk(tool_calls=[tool(0, "a", "f", "{oops")], index=1)
    chunks = [chunk("fine"), bad, STOP, chunk(finish="tool_calls", index=1)]
    last = responses(*chunks, choices=2, strict_tools=["f"])[-1]
    assert isinstance(last._parsed, errors.ToolArgumentsError)


def test_plain_text_may_be_cut_in_any_choice(way, openai, server):
    server.enqueue(bytes_reply([sse(chunk("a"), chunk("b", index=1), STOP, chunk(finish="length", index=1))]))
    llm = openai()
    assert way.result((llm.astream if way.is_async else llm.stream)("?", n=2)) == "a"


# 4: calls of tools that nobody runs

CALL = {
    "content": None,
    "tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}],
}


@pytest.mark.parametrize("reason", ["tool_calls", "stop", "tool_use"])
@pytest.mark.parametrize("content", [None, "", "Let me look."])
@pytest.mark.parametrize("answer", [str, City])
def test_call_that_nobody_runs_is_an_error_that_says_so(ask, openai, server, reason, content, answer):  # noqa: PLR0917
    server.enqueue(ask.answer({**CALL, "content": content}, reason))
    with pytest.raises(errors.OutputError, match="call of look_up, which nobody runs") as caught:
        ask(openai(), answer)
    assert (caught.value.response.outcome, caught.value.response.finish_reason) == ("calls", reason)


def test_legacy_function_call_is_one_too(ask, openai, server):
    call = {"content": None, "function_call": {"name": "look_up", "arguments": "{}"}}
    server.enqueue(ask.answer(call, "function_call"))
    with pytest.raises(errors.OutputError, match="a call of look_up, which nobody runs") as caught:
        ask(openai())
    assert caught.value.response.outcome == "calls"


def test_call_that_did_not_come_is_an_error(ask, openai, server):
    server.enqueue(ask.answer({"content": ""}, "tool_calls"))
    with pytest.raises(errors.OutputError, match="did not come"):
        ask(openai())


def test_turn_that_ends_in_a_call_is_not_stored(way, openai, server):
    @openai().chat
    class Bot:
        """You are brief."""

    bot = Bot()
    server.enqueue(json_reply(of_choices({"index": 0, "message": CALL, "finish_reason": "tool_calls"})))
    with pytest.raises(errors.OutputError, match="look_up"):
        way.do(bot.asend("weather?") if way.is_async else bot.send("weather?"))
    assert bot.conversation == []


@pytest.mark.parametrize("content", [None, "Let me look."])
def test_caller_who_looks_at_the_response_gets_the_calls(way, openai, server, content):
    body = of_choices({"index": 0, "message": {**CALL, "content": content}, "finish_reason": "tool_calls"})
    server.enqueue(
        json_reply(body),
        bytes_reply(
            [sse(of_choices({"index": 0, "delta": {**CALL, "content": content}, "finish_reason": "tool_calls"}))]
        ),
    )
    llm = openai()
    response = way.do((llm.asend if way.is_async else llm.send)("?"))
    assert (response.outcome, response.tool_calls[0].name) == ("calls", "look_up")
    stream = (llm.astream if way.is_async else llm.stream)("?")
    way.events(stream)
    assert (stream.outcome, stream.response.tool_calls[0].name) == ("calls", "look_up")


def test_cut_call_is_truncated():
    last = responses(chunk(tool_calls=[tool(0, "a", "f", '{"x": ')]), chunk(finish="length"))[-1]
    assert last.outcome == "truncated"


# 5: content that is no text


@pytest.mark.parametrize(
    ("content", "text"),
    [({"a": 4}, '{"a": 4}'), ([{"a": 4}], '[{"a": 4}]'), (7, "7"), (True, "true"), ([], ""), ([1, "x"], '[1, "x"]')],
)
def test_content_that_is_data_is_its_json(ask, openai, server, content, text):
    server.enqueue(ask.answer({"content": content}))
    assert ask(openai()).response == text


def test_content_that_is_data_is_read_as_the_type(ask, openai, server):
    server.enqueue(ask.answer({"content": {"name": "Oslo"}}))
    assert ask(openai(), City).parsed == City(name="Oslo")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_answer_that_stands_in_the_reasoning_says_so(ask, openai, server, field):
    server.enqueue(ask.answer({"content": "", field: '{"name": "Oslo"}'}))
    with pytest.raises(errors.OutputError, match=r"nothing but reasoning.*Oslo"):
        ask(openai(), City)


# 8: what breaks after the end breaks nothing off


@pytest.mark.parametrize("end", ["reset", "drop", "no_terminator", "hang"])
@pytest.mark.parametrize("answer", [str, int])
def test_answer_is_whole_when_every_choice_has_its_finish_reason(stream, openai, server, end, answer):
    server.enqueue(bytes_reply([sse(chunk("42"), STOP, done=False)], end=end))
    response = stream(openai(idle_timeout=1), answer)
    assert (response.outcome, response.response) == ("complete", "42")


def test_whole_answer_of_a_chat_is_stored_though_the_connection_broke(way, openai, server):
    @openai().chat(streaming=True)
    class Bot:
        """You are brief."""

    bot = Bot()
    server.enqueue(bytes_reply([sse(chunk("42"), STOP, done=False)], end="reset"))
    way.collect(bot.asend("six times seven?") if way.is_async else bot.send("six times seven?"))
    assert [message.message for message in bot.conversation] == ["six times seven?", "42"]


@pytest.mark.parametrize("end", ["reset", "drop"])
def test_answer_is_not_whole_before_every_choice_has_its_finish_reason(way, openai, server, end):
    server.enqueue(bytes_reply([sse(chunk("a"), chunk("b", index=1), STOP, done=False)], end=end))
    llm = openai()
    with pytest.raises(errors.StreamInterrupted):
        way.events((llm.astream if way.is_async else llm.stream)("?", n=2))


def test_whole_call_that_runs_out_of_time_after_the_end_is_kept(stream, openai, server):
    server.enqueue(bytes_reply([sse(chunk("42"), STOP, done=False)], end="hang"))
    assert stream(openai(), timeout=1.5, idle_timeout=None).response == "42"
