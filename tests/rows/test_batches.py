"""Rows that a provider answers in its own time, against loopbacks of OpenAI's, Azure's and Anthropic's batches."""

import asyncio
import json

import pytest
from rows.batch_server import AnthropicModel, AzureModel, OpenAIModel

import declarai_like as declarai
from declarai_like import errors
from declarai_like._rows.batches import services
from declarai_like._rows.batches.flows import Pause
from declarai_like.rows import Row
from declarai_like.testing import LLMServer, tool_call

ROWS = ["a", "bb", "ccc", "dddd"]
FATE = {"bb": "expired", "ccc": "refused", "dddd": "wrong", "eeeee": "forgotten"}


class Blocking:
    def __init__(self, job):
        self.job = job

    def __getattr__(self, name):
        return getattr(self.job, name)


class Awaiting(Blocking):
    TWINS = {"submit": "asubmit", "poll": "apoll", "wait": "await_", "cancel": "acancel"}  # noqa: RUF012 - a table

    def __getattr__(self, name):
        if name not in self.TWINS:
            return getattr(self.job, name)
        return lambda *args, **kwargs: asyncio.run(getattr(self.job, self.TWINS[name])(*args, **kwargs))

    def retry(self, **options):
        async def retrying():
            return [row async for row in self.job.aretry(**options)]

        return asyncio.run(retrying())


@pytest.fixture(params=[OpenAIModel, AzureModel, AnthropicModel], ids=["openai", "azure", "anthropic"])
def model(request):
    return request.param()


@pytest.fixture
def rank(model):
    """Make the task anew each time, as another process would."""
    with LLMServer(default=model) as server:
        if isinstance(model, AzureModel):
            llm = declarai.azure_openai(
                deployment_name="m",
                azure_openai_key="k",
                azure_openai_api_base=server.url,
                api_version="2024-10-21",
                max_retries=0,
            )
        elif isinstance(model, OpenAIModel):
            llm = declarai.openai(model="m", base_url=server.base_url, openai_token="k", max_retries=0)
        else:
            llm = declarai.anthropic(model="m", base_url=server.url, api_key="k", max_retries=0)

        @llm.task
        def rank(message: str) -> int:
            """Rank"""

        yield rank


@pytest.fixture(params=[Blocking, Awaiting], ids=["blocking", "awaiting"])
def make_job(request, rank, tmp_path):
    def making(rows=ROWS, **options):
        return request.param(rank.batch(rows, checkpoint=tmp_path / "ranks.jsonl", **options))

    return making


def kinds(job):
    return [type(row.error).__name__ for row in job.job]


def test_rows_come_back_in_order_however_they_were_answered(make_job, model):
    job = make_job([*ROWS, "a", {"wrong": 1}])
    assert not model.jobs
    job.submit()
    assert len(model.sent) == 4
    assert job.wait().is_over
    rows = list(job.job)
    assert [row.value for row in rows] == [1, 2, 3, 4, 1, None]
    assert [row.index for row in rows] == list(range(6))
    assert isinstance(rows[5].error, TypeError)
    assert rows[0].usage.completion_tokens == 1
    assert len(job.job) == 6


def test_submitting_twice_sends_once(make_job, model):
    make_job().submit()
    again = make_job()
    again.submit()
    again.submit()
    assert len(model.jobs) == 1
    again.wait()
    assert [row.value for row in again.job] == [1, 2, 3, 4]
    again.submit()
    assert len(model.jobs) == 1


def test_another_process_can_wait(make_job, model):
    model.polls = 3
    make_job().submit()
    for done in (False, False, True):
        assert make_job().poll().is_over is done
    job = make_job()
    assert job.poll().is_over
    assert [row.value for row in job.job] == [1, 2, 3, 4]


def test_new_rows_are_sent_and_known_ones_are_not(make_job, model):
    make_job().submit()
    job = make_job([*ROWS, "eeeee"])
    job.submit()
    assert [len(each["lines"]) for each in model.jobs.values()] == [4, 1]
    job.wait()
    assert [row.value for row in job.job] == [1, 2, 3, 4, 5]


def test_what_failed_is_told_and_sent_again(make_job, model):
    model.fate = FATE
    job = make_job([*ROWS, "eeeee"])
    job.submit()
    job.wait()
    assert kinds(job) == ["NoneType", "ProviderError", "BadRequestError", "OutputError", "ProviderError"]
    told = list(job.job)
    assert told[1].error.code == "batch_expired"
    assert told[4].error.code in {"batch_expired", "batch_ended"}
    assert told[1].error.message.startswith("the row was not answered")
    model.fate = {}
    again = make_job([*ROWS, "eeeee"])
    again.submit()
    assert len(model.sent) == 5 + 4
    again.wait()
    assert [row.value for row in again.job] == [1, 2, 3, 4, 5]


def test_what_failed_can_be_asked_by_map(make_job, model):
    model.fate = {"dddd": "wrong"}
    job = make_job()
    job.submit()
    job.wait()
    if isinstance(model, AnthropicModel):  # its loopback answers batches only
        return
    rows = list(job.retry(concurrency=2))
    assert [(row.value, row.cached) for row in rows] == [(1, True), (2, True), (3, True), (4, False)]
    assert [row.value for row in make_job().job] == [1, 2, 3, 4]


def test_a_lost_reply_to_the_beginning_is_looked_for(make_job, model):
    model.lose_next_create = True
    job = make_job(["a", "bb", "ccc"])
    job.submit()
    assert len(model.jobs) == 1
    job.wait()
    assert [row.value for row in job.job] == [1, 2, 3]


def test_a_process_that_died_before_it_heard_the_id_has_sent_once(make_job, model, tmp_path):
    make_job(["a", "bb", "ccc"]).submit()
    path = tmp_path / "ranks.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    job = make_job(["a", "bb", "ccc"])
    job.submit()
    assert len(model.jobs) == 1
    job.wait()
    assert [row.value for row in job.job] == [1, 2, 3]


def test_what_never_began_is_raised_and_sent_again(make_job, model):
    model.lose_next_create = model.forgets_creates = True
    with pytest.raises(errors.ProviderConnectionError):
        make_job().submit()
    model.forgets_creates = False
    job = make_job()
    job.submit()
    assert len(model.jobs) == 1


def test_a_refused_batch_is_raised_and_sent_again(make_job, model):
    model.refuse_next_create = True
    with pytest.raises(errors.BadRequestError, match="no more batches"):
        make_job().submit()
    model.refuse_next_create = False
    make_job().submit()
    assert len(model.jobs) == 1


def test_cancelled_batches_give_what_they_have(make_job, model):
    model.polls = 100
    job = make_job()
    job.submit()
    assert not job.poll().is_over
    with pytest.raises(errors.ProviderTimeout, match=r"0 of 4 rows are done.*wait\(\) again"):
        job.wait(timeout=0.1)
    job.cancel()
    assert job.wait().is_over


def test_rows_that_were_not_submitted_say_so(make_job):
    assert [str(row.error) for row in make_job(["a"]).job] == ["the row has no answer yet: submit() and wait()"]


def test_many_rows_are_several_batches(make_job, model):
    job = make_job()
    job._batches._service.most_lines = 3
    job.submit()
    assert [len(each["lines"]) for each in model.jobs.values()] == [3, 1]
    job.wait()
    assert [row.value for row in job.job] == [1, 2, 3, 4]


def test_large_rows_are_several_batches(make_job, model):
    job = make_job()
    job._batches._service.most_bytes = 10
    job.submit()
    assert len(model.jobs) == 4


def test_keys_that_providers_do_not_take_are_sent_as_digests(make_job, model):
    job = make_job([{"message": "a", "id": "Ä 1"}, {"message": "bb", "id": "ok-1"}], key="id")
    job.submit()
    assert "ok-1" in model.sent
    assert all(name.isascii() and " " not in name and len(name) <= 64 for name in model.sent)
    job.wait()
    assert [(row.key, row.value) for row in job.job] == [("Ä 1", 1), ("ok-1", 2)]


def test_waiting_asks_less_and_less_often(rank, tmp_path):
    flow = rank.batch(["a"], checkpoint=tmp_path / "r.jsonl")._batches
    with flow._open() as store:
        store.keep_batch({"run": "r", "state": "created", "id": "job_0", "keys": []})
    asking, pauses = flow.wait(None), []
    operation = next(asking)
    while len(pauses) < 6:
        if isinstance(operation, Pause):
            pauses.append(operation.seconds)
            operation = next(asking)
        else:
            operation = asking.send(b'{"id": "job_0", "status": "in_progress", "processing_status": "in_progress"}')
    assert pauses == [5, 10, 20, 40, 60, 60]


def test_pauses_are_waited_for(make_job):
    job = make_job()

    def pausing():
        yield Pause(0.001)
        return 5

    assert job.job._perform(pausing()) == 5
    assert asyncio.run(job.job._aperform(pausing())) == 5


@pytest.mark.parametrize("content", [b"", b"[]", b"<html>"])
def test_what_is_no_json_is_told(content):
    asking = services.OpenAIBatches("/chat/completions").status("job")
    next(asking)
    with pytest.raises(errors.InvalidResponse, match="expected a JSON object"):
        asking.send(content)


def test_batches_from_before_are_not_looked_through():
    looking = services.OpenAIBatches("/chat/completions").find("run", 1000.0, 1, ())
    next(looking)
    with pytest.raises(StopIteration) as told:
        looking.send(b'{"data": [{"id": "old", "created_at": 5}], "has_more": true}\n')
    assert told.value.value is None


def test_what_another_batch_has_brought_is_left_alone(make_job, model):
    job = make_job(["a", "bb"])
    job.submit()
    store_of = job._batches._open
    with store_of() as store:
        key = job._batches.order[0]
        store.keep(Row(0, key, value=9))
    for each in model.jobs.values():
        each["lines"].append({**each["lines"][0], "custom_id": "foreign"})
    job.wait()
    assert [row.value for row in job.job] == [9, 2]


def test_a_mark_that_stands_in_the_file_is_not_used():
    exchange = services._upload(b"--batch-of-rows--", "f")
    assert exchange.content_type.endswith("boundary=batch-of-rows---")


def test_answers_without_a_reason_are_told():
    told = services._of_openai({"custom_id": "k", "response": None, "error": None})
    assert told.failure == "no response"
    told = services._of_anthropic({"custom_id": "k", "result": {"type": "errored", "error": {"type": "odd"}}})
    assert told.status == 500


def test_responses_have_batches_too(server, tmp_path):
    llm = declarai.openai(model="m", base_url=server.base_url, openai_token="k", api="responses")

    @llm.task
    def rank(message: str) -> int:
        """Rank"""

    job = rank.batch(["a"], checkpoint=tmp_path / "r.jsonl")
    assert job._batches._service._url == "/v1/responses"


def test_files_of_results_are_kept_as_long_as_was_said(make_job, model):
    if isinstance(model, AnthropicModel):
        with pytest.raises(errors.DefinitionError, match="output_expires_after: Anthropic"):
            make_job(output_expires_after=3600)
        return
    make_job(output_expires_after=3600).submit()
    make_job(["other"]).submit()
    assert model.expires == [{"anchor": "created_at", "seconds": 3600}, None]
    with pytest.raises(errors.DefinitionError, match="an hour to 30 days"):
        make_job(output_expires_after=60)


def test_who_has_no_batches_is_told(make_task, tmp_path):
    with pytest.raises(errors.DefinitionError, match="got one of 'fake': use map"):
        make_task().batch(["a"], checkpoint=tmp_path / "r.jsonl")


def test_a_job_without_a_row_is_told(rank, tmp_path):
    with pytest.raises(errors.DefinitionError, match="at least one row"):
        rank.batch([], checkpoint=tmp_path / "r.jsonl")


def test_tools_and_official_clients_have_no_batches(server, tmp_path):
    from openai import OpenAI

    def look(word: str) -> str:
        """Look it up"""
        return word

    llm = declarai.openai(model="m", base_url=server.base_url, openai_token="k")

    @llm.task(tools=[look])
    def rank(message: str) -> int:
        """Rank"""

    server.enqueue(tool_call("look", {"word": "x"}))
    with pytest.raises(errors.DefinitionError, match="use map"):
        rank.batch(["a"], checkpoint=tmp_path / "r.jsonl")

    llm = declarai.openai(model="m", client=OpenAI(base_url=server.base_url, api_key="k"))

    @llm.task
    def other(message: str) -> int:
        """Rank"""

    with pytest.raises(errors.ConfigurationError, match="leave out client="):
        other.batch(["a"], checkpoint=tmp_path / "r2.jsonl").submit()


def test_no_key_is_in_the_file(make_job, tmp_path):
    job = make_job()
    job.submit()
    job.wait()
    text = (tmp_path / "ranks.jsonl").read_text()
    assert "Bearer" not in text
    assert [json.loads(line)["batch"]["state"] for line in text.splitlines() if "batch" in line] == [
        "intent",
        "created",
        "over",
    ]
