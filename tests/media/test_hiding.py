"""The bytes of media are shown nowhere: not in logs, spans, cassettes, prompts, run stores' events or reports."""

import json
import logging
from pathlib import Path

import pytest
from media.samples import picture

import declarai_like as declarai
from declarai_like import Image, Message
from declarai_like._cli import main
from declarai_like.evals import Case, evaluate
from declarai_like.media._blanks import blank_bytes
from declarai_like.middleware import InMemoryCache, LoggingMiddleware, cache
from declarai_like.testing import Cassette, FakeLLM, LLMServer

PHOTO = Image(picture(size=(40, 40)), name="cat.png")
PACKED = PHOTO.base64()
PIECES = (PACKED[40:100], repr(PHOTO.data)[20:60])


def has_bytes(text):
    return any(piece in str(text) for piece in PIECES)


def caption(photo: Image, style: str = "dry") -> str:
    """Caption the photo in a {style} style"""


def test_wire_repr_and_requests_tell_what_they_are():
    task = declarai.openai(model="m", openai_token="k").task(caption)
    request = task.request(PHOTO)
    wire = request.messages[-1].wire()["content"][-1]
    assert wire == {
        "type": "image",
        "image": {"media_type": "image/png", "name": "cat.png", "bytes": PHOTO.size, "sha256": PHOTO.digest},
    }
    assert not any(map(has_bytes, (wire, request, task.plan(PHOTO), repr(request.messages))))
    assert repr(PHOTO) in repr(request.messages)


@pytest.mark.parametrize("photo", [PHOTO, PHOTO.data])
def test_logs_hold_no_bytes(caplog, photo):
    fake = FakeLLM(["A cat"])
    with caplog.at_level(logging.DEBUG):
        fake.task(middlewares=[LoggingMiddleware])(caption)(photo)
    told = [record.__dict__ for record in caplog.records]
    assert "image/png" in str(told)
    assert not has_bytes(told)


def test_spans_hold_no_bytes():
    from declarai_like.middleware._telemetry_content import input_content

    request = declarai.openai(model="m", openai_token="k").task(caption).request(PHOTO)
    told = json.loads(input_content(request)["gen_ai.input.messages"])
    assert told[-1]["parts"][-1] == {"type": "image"}


def test_cassettes_hold_hashes_and_tell_other_pictures_apart(tmp_path):
    path = tmp_path / "a.json"
    with LLMServer(default="A cat") as server:
        task = declarai.openai(model="m", openai_token="k", base_url=server.base_url, max_retries=0).task(caption)
        with Cassette(path, mode="all"):
            assert task(PHOTO) == "A cat"
    assert PHOTO.digest in path.read_text()
    assert not has_bytes(path.read_text())
    with Cassette(path, mode="none"):
        assert task(PHOTO) == "A cat"
    with pytest.raises(AssertionError, match="sha256"), Cassette(path, mode="none"):
        task(picture("png", (41, 41)))


def test_a_kept_answer_is_that_of_the_same_picture():
    fake = FakeLLM(["one", "two"])
    task = fake.task(middlewares=[cache(InMemoryCache(), only_deterministic=False)])(caption)
    assert [task(PHOTO), task(PHOTO), task(picture())] == ["one", "one", "two"]


APP = '''
import declarai_like as declarai
from declarai_like import Document, Image

llm = declarai.openai(model="m", openai_token="k")

@llm.task
def caption(photo: Image, style: str = "dry") -> str:
    """Caption the photo in a {style} style"""

@llm.task(model="gpt-4o")
def describe(photo: Image) -> str:
    """Describe the photo"""

@llm.task
def read(pages: list[Image | Document]) -> str:
    """Read"""

class Cover(llm.Prompt):
    """Judge"""
    photo: Image
'''


@pytest.fixture
def app(tmp_path, monkeypatch):
    (tmp_path / "media_hiding_app.py").write_text(APP)
    (tmp_path / "cat.png").write_bytes(PHOTO.data)
    (tmp_path / "notes.txt").write_text("hi")
    monkeypatch.chdir(tmp_path)
    return "media_hiding_app.py"


@pytest.mark.parametrize("how", [[], ["--json"], ["--request"]])
def test_show_opens_files_and_shows_no_bytes(app, capsys, how):
    main(["show", f"{app}:caption", "--arg", "photo=cat.png", *how])
    told = capsys.readouterr().out
    assert "image/png" in told
    assert not has_bytes(told)


def test_show_tells_the_tokens_of_images(app, capsys):
    main(["show", f"{app}:describe", "--arg", "photo=cat.png"])
    assert "images: about 255 tokens more, by the rule of the provider" in capsys.readouterr().out
    main(["show", f"{app}:caption", "--arg", "photo=cat.png"])
    assert "images:" not in capsys.readouterr().out


def test_the_command_line_takes_lists_addresses_and_fields_of_class_prompts(app, capsys):
    main(["show", f"{app}:read", "--arg", 'pages=["cat.png", "notes.txt", "https://a.example/x.png"]'])
    told = capsys.readouterr().out
    assert "<Document text/plain 2 B" in told
    assert "<Image https://a.example/x.png>" in told
    main(["show", f"{app}:read", "--arg", "pages=notes.txt"])
    main(["show", f"{app}:Cover", "--arg", "photo=cat.png"])
    assert "<Image image/png" in capsys.readouterr().out


def test_the_prompt_lock_knows_no_pictures(app, capsys):
    main(["lock", app])
    main(["check", app])
    assert "{photo}" in Path("prompts.lock").read_text()


def test_cases_name_files_and_reports_show_no_bytes(tmp_path):
    (tmp_path / "cat.png").write_bytes(PHOTO.data)
    task = FakeLLM(["A cat"] * 3).task(caption)
    cases = [
        Case({"photo": {"path": str(tmp_path / "cat.png")}}, "A cat"),
        Case({"photo": PHOTO}, "A cat"),
        Case({"photo": {"data": PACKED}}, "A cat"),
    ]
    runs = evaluate(task, cases=cases)
    assert [run.score for run in runs] == [1.0] * 3
    assert not has_bytes([run.scenario for run in runs])
    assert not has_bytes(Case({"photo": PHOTO.data}).title("caption"))


def test_cases_name_lists_of_files(tmp_path):
    (tmp_path / "cat.png").write_bytes(PHOTO.data)
    fake = FakeLLM(["A cat"])

    @fake.task
    def compare(pages: list[Image], style: str = "dry") -> str:
        """Compare"""

    evaluate(compare, cases=[Case({"pages": [{"path": str(tmp_path / "cat.png")}, PHOTO]}, "A cat")])
    assert fake.requests[0].messages[-1].content[-2:] == [PHOTO, PHOTO]


def test_long_runs_of_base_64_are_blanked():
    assert blank_bytes([PHOTO.data_url(), 3, ("x",)]) == [
        f"data:image/png;base64,<{len(PACKED)} characters of base 64>", 3, ("x",),
    ]  # fmt: skip


def test_a_message_is_dumped_whole_and_told_short():
    message = Message("", fields={"content": [PHOTO]})
    assert dict(message)["content"][0]["data"] == PACKED
    assert not has_bytes(message.wire())
