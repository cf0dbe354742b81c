"""Files for served tasks and chats: as a form, or as JSON; bounded before they are read, typed by their bytes."""

import asyncio
import base64

import pytest
from media.samples import GIF, pdf, picture
from serve.clients import Site

import declarai_like as declarai
from declarai_like import Document, Image, serve
from declarai_like.errors import ConfigurationError
from declarai_like.testing import LLMServer

EDGE = "edge"
FORM = {"Content_Type": f"multipart/form-data; boundary={EDGE}"}
CAT = Image(GIF)


def form(*fields):
    """A form of (name, value) and (name, bytes, file name)."""
    body = b""
    for name, value, *file in fields:
        told = f'; filename="{file[0]}"' if file else ""
        head = f'--{EDGE}\r\nContent-Disposition: form-data; name="{name}"{told}\r\n\r\n'
        body += head.encode() + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
    return body + f"--{EDGE}--\r\n".encode()


@pytest.fixture
def model():
    with LLMServer(default="fine") as server:
        yield server


def app_of(model, **options):
    llm = declarai.openai(model="m", openai_token="k", base_url=model.base_url, max_retries=0)

    @llm.task
    def caption(photo: Image, style: str = "dry", words: int = 3) -> str:
        """Caption the photo in a {style} style, in {words} words"""

    @llm.task
    def compare(pages: list[Image | Document], cover: Image | list[Image] = ()) -> str:
        """Compare"""

    @llm.chat
    class Bot:
        """Be {mood}"""

    return serve.app(tasks=[caption, compare], chats=[Bot], **options)


@pytest.fixture
def site(model):
    site = Site(app_of(model))
    yield site
    site.close()


def shown(model):
    """The parts of the last message that the model was asked with, but for its words."""
    return model.requests[-1].body["messages"][-1]["content"]


def test_a_form_fills_the_parameters(site, model):
    body = form(("photo", GIF, "cat.gif"), ("style", "3"), ("words", "5"))
    reply = site.ask("POST", "/tasks/caption", body, **FORM)
    assert (reply.status, reply.json["value"]) == (200, "fine")
    text, _, photo = shown(model)
    assert text["text"] == "Caption the photo in a 3 style, in 5 words"
    assert photo["image_url"]["url"] == CAT.data_url()


def test_a_field_may_come_several_times(site, model):
    body = form(("pages", GIF, "a.gif"), ("pages", pdf(), "b.pdf"), ("cover", GIF, "c.gif"), ("pages", b"hi", "d.txt"))
    assert site.ask("POST", "/tasks/compare", body, **FORM).status == 200
    assert [part["type"] for part in shown(model)][2:5] == ["image_url", "file", "text"]
    assert shown(model)[3]["file"]["filename"] == "b.pdf"
    body = form(("pages", GIF, ""), ("cover", GIF, "a"), ("cover", GIF, "b"), ("more", b"", ""))
    assert site.ask("POST", "/tasks/compare", body, **FORM).status == 200


def test_json_has_the_same_files(site, model):
    photo = {"data": base64.b64encode(GIF).decode(), "name": "cat.gif"}
    assert site.post("/tasks/caption", {"photo": photo}).status == 200
    assert shown(model)[-1]["image_url"]["url"] == CAT.data_url()
    assert site.post("/tasks/caption", {"photo": {"data": photo["data"], "url": "https://a.example"}}).status == 422


def test_an_address_is_fetched_here_and_never_from_a_private_one(site, model):
    for address in ("https://127.0.0.1/x.png", "https://localhost/x.png", "https://169.254.169.254/x.png"):
        reply = site.post("/tasks/caption", {"photo": {"url": address}})
        assert (reply.status, reply.error["type"]) == (422, "MediaError")
        reply = site.post(
            "/chats/Bot/s/messages", {"message": "x", "values": {"mood": "kind"}, "files": [{"url": address}]}
        )
        assert reply.status == 422
    assert model.requests == []


@pytest.mark.parametrize(
    "photo",
    [
        "cat.png",
        "https://a.example/x.png",
        {"path": "cat.png"},
        {"upload": 0},
        {"upload": True},
        {"upload": "0"},
        {"url": "http://a.example"},
        {"data": "!"},
        3,
    ],
)
def test_a_text_is_neither_a_path_nor_an_address(site, model, photo):
    reply = site.post("/tasks/caption", {"photo": photo})
    assert (reply.status, reply.error["message"]) == (422, "the arguments do not fit: photo: is not accepted")
    assert model.requests == []


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ([("photo", b"<svg/>", "cat.gif")], 422, "the arguments do not fit: photo: is not accepted"),
        ([("photo", "cat.gif")], 422, "the arguments do not fit: photo: is not accepted"),
        ([("photo", GIF, "a"), ("style", b"hi", "b")], 422, "style: takes no file"),
        ([("photo", GIF, "a"), ("photo", GIF, "b")], 422, "photo: takes one file"),
        ([("photo", GIF, "a"), ("words", "many")], 422, "the arguments do not fit: words: Input should be a valid integer"),
    ],
)  # fmt: skip
def test_a_form_that_does_not_fit_is_told_by_the_names_of_its_fields(site, model, fields, status, message):
    reply = site.ask("POST", "/tasks/caption", form(*fields), **FORM)
    assert (reply.status, reply.error["message"][: len(message)]) == (status, message)
    assert model.requests == []


def test_a_form_that_cannot_be_read_is_refused(site):
    for body in (b"nonsense", form(*[("style", "x")] * 300), form(("style", "x" * 1_100_000))):
        assert site.ask("POST", "/tasks/caption", body, **FORM).status == 400
    assert site.ask("POST", "/tasks/caption", b"x", Content_Type="text/plain").status == 415


def test_a_form_is_streamed_and_taken_up_again(site, model):
    body = form(("photo", GIF, "cat.gif"))
    reply = site.ask("POST", "/tasks/caption", body, Accept="text/event-stream", **FORM)
    assert reply.text == "fine"
    (*_, last), first = reply.events[-1], reply.events[0][2]
    other = body.replace(EDGE.encode(), b"brim")
    again = {
        "Accept": "text/event-stream",
        "Last-Event-ID": first,
        "Content_Type": "multipart/form-data; boundary=brim",
    }
    taken = site.ask("POST", "/tasks/caption", other, **again)
    assert taken.status == 200
    assert taken.events[-1][2] == last
    assert len(model.requests) == 1
    changed = form(("photo", picture(), "cat.gif"))
    assert site.ask("POST", "/tasks/caption", changed, **{**again, **FORM}).status in (404, 409, 410)


def test_a_message_has_files(site, model):
    body = form(
        ("message", "what is this?"), ("values", '{"mood": "kind"}'), ("files", GIF, "a.gif"), ("files", b"hi", "b")
    )
    assert site.ask("POST", "/chats/Bot/s/messages", body, **FORM).status == 200
    assert [part["type"] for part in shown(model)] == ["text", "image_url", "text"]
    more = {"message": "and this?", "files": [{"id": "file-1"}]}
    assert site.post("/chats/Bot/s/messages", more).status == 200
    assert shown(model)[-1] == {"type": "file", "file": {"file_id": "file-1"}}
    assert site.post("/chats/Bot/s/messages", {"message": "no more"}).status == 200
    said = site.ask("GET", "/chats/Bot/s").json["messages"]
    assert said[0]["content"].startswith("what is this?\n<Image image/gif 12 B")


@pytest.mark.parametrize(
    "fields",
    [
        [("message", "x"), ("files", b"\0\1", "a")], [("message", "x"), ("photo", GIF, "a")], [("files", GIF, "a")],
        [("message", "x"), ("values", "[]")], [("message", "x"), ("other", "x")], [("message", "x"), ("values", '{"x": 1}')],
    ],
)  # fmt: skip
def test_a_message_that_is_none_is_refused(site, model, fields):
    assert site.ask("POST", "/chats/Bot/s/messages", form(*fields), **FORM).status == 422
    assert model.requests == []


@pytest.mark.parametrize("files", ["a", [3], [{"path": "a"}], [{"data": "AAEC"}], [{"url": "http://a.example"}]])
def test_files_in_json_that_are_none_are_refused(site, model, files):
    assert site.post("/chats/Bot/s/messages", {"message": "x", "files": files}).status == 422
    assert model.requests == []


def test_a_form_is_refused_by_its_length_before_it_is_read(model):
    site = Site(app_of(model, max_upload_bytes=1000))
    try:
        reply = site.ask("POST", "/tasks/caption", b"x", Content_Length="1001", **FORM)
        assert (reply.status, reply.error["message"]) == (413, "the body is longer than 1000 bytes")
        assert site.ask("POST", "/tasks/caption", form(("photo", GIF, "a")), **FORM).status == 200
    finally:
        site.close()
    with pytest.raises(ConfigurationError, match="expected max_upload_bytes to be above zero"):
        app_of(model, max_upload_bytes=0)


async def asked(app, pieces, *, ends="body"):
    sent = []
    waiting = list(pieces)

    async def receive():
        if waiting:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": True}
        if ends == "hang":
            await asyncio.sleep(30)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/tasks/caption", "raw_path": b"/tasks/caption", "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", f"multipart/form-data; boundary={EDGE}".encode())],
        "scheme": "http", "http_version": "1.1", "client": ("127.0.0.1", 1), "server": ("localhost", 80), "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)
    return sent, len(waiting)


@pytest.mark.parametrize(
    ("origin", "cors", "status"),
    [
        (None, [], 200), ("http://{host}", [], 200), ("https://evil.example", [], 403), ("null", [], 403),
        ("https://ours.example", ["https://ours.example"], 200), ("https://evil.example", ["https://ours.example"], 403),
        ("https://any.example", ["*"], 200),
    ],
)  # fmt: skip
def test_a_form_of_a_foreign_page_is_refused_since_browsers_send_it_without_asking(model, origin, cors, status):
    site = Site(app_of(model, cors=cors))
    headers = {} if origin is None else {"Origin": origin.format(host=f"127.0.0.1:{site.port}")}
    try:
        reply = site.ask("POST", "/tasks/caption", form(("photo", GIF, "a")), **headers, **FORM)
    finally:
        site.close()
    assert reply.status == status
    assert len(model.requests) == (status == 200)


def test_no_more_of_a_form_is_read_than_may_come(model):
    pieces = [form(("photo", GIF * 10, "a"))[:-10], *[b"x" * 100] * 100]
    sent, left = asyncio.run(asked(app_of(model, max_upload_bytes=1000), pieces))
    assert sent[0]["status"] == 413
    assert left > 80


def test_a_client_that_leaves_is_not_answered(model):
    sent, _ = asyncio.run(asked(app_of(model), [form(("photo", GIF, "a"))[:20]]))
    assert sent == []


def test_a_form_that_comes_too_slowly_is_given_up(model):
    sent, _ = asyncio.run(asked(app_of(model, client_seconds=0.1), [form(("photo", GIF, "a"))[:20]], ends="hang"))
    assert sent[0]["status"] == 408


def test_the_description_tells_of_forms(site):
    document = site.ask("GET", "/openapi.json").json
    content = document["paths"]["/tasks/caption"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data"}
    schema = site.ask("GET", "/tasks").json[0]["parameters"]["properties"]["photo"]
    assert schema["x-declarai-media"] == "image"
