"""Media in the four wire formats: what is sent, what is refused before that, and what arrives at the other side."""

import io
import json
import wave
from base64 import b64decode

import pytest
from media.samples import FLAC, GIF, MP3, pdf, picture, sound
from PIL import Image as Pillow
from pypdf import PdfReader

import declarai_like as declarai
from declarai_like import Audio, Document, File, Image, Message
from declarai_like._wire.codecs.anthropic import AnthropicCodec
from declarai_like._wire.codecs.chat import ChatCodec
from declarai_like._wire.codecs.google import GoogleCodec
from declarai_like._wire.codecs.responses import ResponsesCodec
from declarai_like.errors import BadRequestError, DefinitionError, LimitExceeded, MediaError
from declarai_like.requests import Limits, Request
from declarai_like.testing import FakeLLM, LLMServer, bytes_reply, tool_call

CODECS = {"chat": ChatCodec(), "responses": ResponsesCodec(), "anthropic": AnthropicCodec(), "google": GoogleCodec()}
ORIGIN = {"provider": "p", "base_url": "http://x", "model": "m"}
PNG, PDF, WAV = picture(), b"%PDF-1.4", b"RIFF\0\0\0\0WAVE"
URL = "https://a.example/c.png"


def request(*parts, **fields):
    return Request(model="m", messages=(Message("", fields={"content": list(parts)}),), **fields)


def body(name, *parts, **fields):
    return CODECS[name].encode(request(*parts, **fields), frozenset(), ORIGIN)


def spelled(name, *parts):
    """The parts of the one message, as the format spells them."""
    made = body(name, *parts)
    told = made.get("messages") or made.get("input") or made.get("contents")
    return told[0]["parts"] if name == "google" else told[0]["content"]


DATA = "R0lGODlhLi4uLi4u"
GOLDEN = {
    ("chat", Image(GIF)): {"type": "image_url", "image_url": {"url": f"data:image/gif;base64,{DATA}"}},
    ("chat", Image.url(URL)): {"type": "image_url", "image_url": {"url": URL}},
    ("chat", Audio(WAV)): {"type": "input_audio", "input_audio": {"data": "UklGRgAAAABXQVZF", "format": "wav"}},
    ("chat", Audio(MP3)): {"type": "input_audio", "input_audio": {"data": "SUQzLi4uLi4uLi4u", "format": "mp3"}},
    ("chat", Document(PDF)): {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="}},
    ("chat", Document(PDF, name="a.pdf")): {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="}},
    ("chat", Document(b"a,b", "text/csv")): {"type": "text", "text": "a,b"},
    ("chat", Document.id("file-1")): {"type": "file", "file": {"file_id": "file-1"}},
    ("responses", Image(GIF)): {"type": "input_image", "detail": "auto", "image_url": f"data:image/gif;base64,{DATA}"},
    ("responses", Image.url(URL)): {"type": "input_image", "detail": "auto", "image_url": URL},
    ("responses", Image.id("file-1")): {"type": "input_image", "detail": "auto", "file_id": "file-1"},
    ("responses", Document(PDF)): {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="},
    ("responses", Document(b"hi")): {"type": "input_file", "filename": "document.txt", "file_data": "data:text/plain;base64,aGk="},
    ("responses", Document.url("https://a.example/c.pdf")): {"type": "input_file", "file_url": "https://a.example/c.pdf"},
    ("responses", File.id("file-1")): {"type": "input_file", "file_id": "file-1"},
    ("anthropic", Image(GIF)): {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": DATA}},
    ("anthropic", Image.url(URL)): {"type": "image", "source": {"type": "url", "url": URL}},
    ("anthropic", Image.id("file-1")): {"type": "image", "source": {"type": "file", "file_id": "file-1"}},
    ("anthropic", Document(PDF, name="a.pdf")): {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQ="}},
    ("anthropic", Document(b"a,b", "text/csv")): {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}},
    ("anthropic", Document.url("https://a.example/c.pdf")): {"type": "document", "source": {"type": "url", "url": "https://a.example/c.pdf"}},
    ("google", Image(PNG)): {"inlineData": {"mimeType": "image/png", "data": Image(PNG).base64()}},
    ("google", Image.url(URL)): {"fileData": {"fileUri": URL, "mimeType": "image/png"}},
    ("google", Audio(FLAC)): {"inlineData": {"mimeType": "audio/flac", "data": "ZkxhQy4uLi4uLi4u"}},
    ("google", Document(PDF)): {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0xLjQ="}},
    ("google", Document(b"hi")): {"inlineData": {"mimeType": "text/plain", "data": "aGk="}},
    ("google", File.id("https://g.example/files/1")): {"fileData": {"fileUri": "https://g.example/files/1"}},
    ("google", Image.url("https://a.example/c", media_type="image/webp")): {"fileData": {"fileUri": "https://a.example/c", "mimeType": "image/webp"}},
}  # fmt: skip


@pytest.mark.parametrize(("case", "expected"), GOLDEN.items(), ids=[f"{name}-{media!r}" for name, media in GOLDEN])
def test_media_are_spelled_as_the_recorded_requests_are(case, expected):
    name, media = case
    assert spelled(name, {"type": "text", "text": "See"}, media)[1] == expected


@pytest.mark.parametrize("name", CODECS)
def test_plain_data_is_spelled_as_the_value(name):
    data = {"type": "media", "kind": "image", "media_type": "image/png", "data": Image(PNG).base64()}
    assert spelled(name, data) == spelled(name, Image(PNG))


REFUSED = [
    ("chat", Image.id("file-1")), ("chat", Audio(FLAC)), ("chat", Audio.id("x")), ("chat", File(b"PK\3\4\xff", "application/zip")),
    ("responses", Audio(WAV)), ("responses", Audio.url("https://a.example/a.mp3")), ("anthropic", Audio(WAV)),
    ("anthropic", File(b"PK\3\4\xff", "application/zip")), ("anthropic", File.id("x")), ("google", Image(GIF)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "media"), REFUSED, ids=[f"{name}-{media!r}" for name, media in REFUSED])
def test_what_a_format_does_not_take_is_refused_with_what_it_takes(name, media):
    with pytest.raises(DefinitionError, match=r"does not take <.*>: it takes images.* by bytes or address"):
        body(name, media)


def test_an_address_that_the_provider_cannot_fetch_is_not_sent_as_it_is():
    for name, media in (
        ("chat", Document.url("https://a.example/c.pdf")),
        ("anthropic", Image.url(URL, download=True)),
    ):
        with pytest.raises(MediaError, match="is to be downloaded before it is sent"):
            body(name, media)
        assert CODECS[name].media.needs_downloads(request(media))
    assert not CODECS["anthropic"].media.needs_downloads(
        request(Image.url(URL), Image(PNG), {"type": "text", "text": ""})
    )


def test_sizes_are_checked_before_anything_is_sent():
    fake = FakeLLM(["fine"])

    @fake.task(max_media_bytes=10)
    def describe(photo: Image) -> str:
        """Describe"""

    with pytest.raises(LimitExceeded, match="max_media_bytes=10 allows no more"):
        describe(GIF)
    assert fake.requests == []
    with pytest.raises(LimitExceeded, match=r"would have 16 bytes, Google's format takes 15: .* max_request_bytes="):
        body("google", Document(b"x" * 12), limits=Limits(request_bytes=15))
    large = Image(GIF + bytes(6 * 1024 * 1024))
    with pytest.raises(LimitExceeded, match=r"takes images of 5242880: Image\.open"):
        body("anthropic", large)
    with pytest.raises(LimitExceeded, match="takes 20971520"):
        body("google", *[Document(b"x" * 9_000_000)] * 2)
    assert body("chat", large)


def test_ids_of_files_ask_anthropic_for_them():
    codec = CODECS["anthropic"]
    assert codec.headers(request(Image.id("x")))["anthropic-beta"] == "files-api-2025-04-14"
    assert "anthropic-beta" not in codec.headers(request(Image(PNG)))


@pytest.mark.parametrize("name", ["anthropic", "google"])
def test_a_file_of_ones_own_that_has_no_data_is_told_without_its_address(name):
    for file in ({}, {"file_data": 3}):
        with pytest.raises(DefinitionError, match=r"expected the data or the address of a file, got (NoneType|int)"):
            body(name, {"type": "file", "file": file})
    with pytest.raises(DefinitionError) as error:
        body(name, {"type": "file", "file": {"file_data": "secret://token@host/x"}})
    assert "token" not in str(error.value)


def calls(*names):
    made = [{"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in names]
    return Message("", "assistant", fields={"tool_calls": made})


def result(name, *parts):
    return Message("", "tool", fields={"tool_call_id": name, "content": list(parts)})


CHART = (
    calls("f", "g"),
    result("f", {"type": "text", "text": "a chart"}, Image(PNG)),
    result("g", Image(PNG)),
    Message("so?"),
)


def conversation(name, messages=CHART):
    return CODECS[name].encode(Request(model="m", messages=messages), frozenset(), ORIGIN)


def test_chat_tells_the_media_of_results_behind_all_results():
    told = conversation("chat")["messages"]
    assert [message["role"] for message in told] == ["assistant", "tool", "tool", "user", "user"]
    assert (told[1]["content"], told[2]["content"]) == ("a chart", "(It is shown below.)")
    assert [part.get("text", part["type"]) for part in told[3]["content"]] == [f"{Image(PNG)!r}:", "image_url"] * 2
    assert conversation("chat", CHART[:3])["messages"][-1]["role"] == "user"


def test_parts_of_a_result_without_media_stay_as_they_are():
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert conversation("chat", (calls("f"), result("f", *parts)))["messages"][-1]["content"] == parts
    other = {"type": "image_url", "image_url": {"url": URL}}
    told = conversation("chat", (calls("f"), result("f", other)))["messages"]
    assert (told[1]["content"], told[2]["content"]) == ("(It is shown below.)", [other])


def test_the_others_have_media_in_results():
    output = conversation("responses")["input"][2]["output"]
    assert [part["type"] for part in output] == ["input_text", "input_image"]
    content = conversation("anthropic")["messages"][-1]["content"]
    assert [block["type"] for block in content[0]["content"]] == ["text", "image"]
    parts = conversation("google")["contents"][-1]["parts"]
    assert [next(iter(part)) for part in parts] == ["functionResponse"] * 2 + ["inlineData"] * 2 + ["text"]


# What arrives: a server that unpacks what it gets, and answers with what it saw.


def packed(part):
    """Give the bytes of each part of a request, in whatever format."""
    if isinstance(part, list):
        for each in part:
            yield from packed(each)
    elif isinstance(part, dict):
        kind = part.get("media_type") or part.get("mimeType") or part.get("format")
        for name, value in part.items():
            if isinstance(value, str) and value.startswith("data:"):
                yield b64decode(value.partition(",")[2])
            elif name == "data" and isinstance(value, str):
                yield value.encode() if kind == "text/plain" and part.get("type") == "text" else b64decode(value)
            else:
                yield from packed(value)


def seen(data):
    if data.startswith(b"%PDF"):
        return f"{len(PdfReader(io.BytesIO(data)).pages)} pages"
    if data.startswith(b"RIFF") and data[8:12] == b"WAVE":
        with wave.open(io.BytesIO(data)) as read:
            return f"{read.getnframes() / read.getframerate():g} seconds"
    with Pillow.open(io.BytesIO(data)) as shown:
        shown.load()
        return "{} x {}".format(*shown.size)


def look(recorded):
    return ", ".join(map(seen, packed(json.loads(recorded.raw))))


def model(name, url):
    options = {"max_retries": 0, "model": "m"}
    if name in ("chat", "responses"):
        return declarai.openai(openai_token="k", base_url=f"{url}/v1", api=name, **options)
    make = declarai.anthropic if name == "anthropic" else declarai.google
    return make(api_key="k", base_url=url, **options)


@pytest.fixture(params=CODECS)
def format_name(request):
    return request.param


@pytest.fixture
def eyes():
    with LLMServer(default=look) as server:
        yield server


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_the_other_side_sees_the_picture(format_name, eyes, kind):
    @model(format_name, eyes.url).task
    def describe(photo: Image) -> str:
        """Describe"""

    assert describe(picture(kind, (30, 20))) == "30 x 20"


def test_the_other_side_sees_pages_and_hears_seconds(format_name, eyes):
    llm = model(format_name, eyes.url)

    @llm.task
    async def read(contract: Document, photos: list[Image]) -> str:
        """Read"""

    @llm.task
    def listen(sound: Audio) -> str:
        """Listen"""

    import asyncio

    assert asyncio.run(read(pdf(3), [picture(size=(5, 6)), picture(size=(7, 8))])) == "3 pages, 5 x 6, 7 x 8"
    if format_name in ("chat", "google"):
        assert listen(sound(0.25)) == "0.25 seconds"
    else:
        with pytest.raises(DefinitionError, match="does not take <Audio"):
            listen(sound())
        assert len(eyes.requests) == 1


def test_tools_show_what_they_made(format_name):
    def chart(of: str):
        return ["the chart", Image(picture(size=(9, 9)))]

    with LLMServer(tool_call("chart", {"of": "x"}), default=look) as server:

        @model(format_name, server.url).task(tools=[chart])
        def ask(question: str) -> str:
            """Answer"""

        run = ask.run("what does x look like?")
    assert run.value == "9 x 9"
    assert isinstance(run.calls[0].value[1], Image)


def test_openai_takes_responses_where_chat_has_no_way():
    with LLMServer(default="fine") as server:
        llm = declarai.openai(model="m", openai_token="k", base_url=server.base_url)

        @llm.task
        def describe(photo: Image) -> str:
            """Describe"""

        describe(Image.id("file-1"))
        describe(Image(PNG))
    assert [recorded.path for recorded in server.requests] == ["/v1/responses", "/v1/chat/completions"]


def test_an_unknown_server_tells_by_itself_that_it_takes_no_images_and_repeats_no_bytes():
    data = Image(PNG + bytes(400)).data_url()
    told = json.dumps({"error": {"message": f"image input is not supported: {data}", "code": data}})
    with LLMServer(default=bytes_reply([told.encode()], status=400, content_type="application/json")) as server:
        llm = declarai.openai(model="m", openai_token="k", base_url=server.base_url, max_retries=0)

        @llm.task
        def describe(photo: Image) -> str:
            """Describe"""

        with pytest.raises(BadRequestError, match="image input is not supported: data:image/png;base64,<") as error:
            describe(Image(PNG))
    assert data[-60:] not in str(vars(error.value)) + str(error.value)
