"""Media as arguments of tasks, fields of class prompts and files of chats: what is taken, and where it stands."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import pytest
from media.samples import GIF, pdf, picture, sound
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like import Audio, Document, File, Image, Message
from declarai_like.errors import ArgumentError, DeclaraiError, DefinitionError, MediaError
from declarai_like.media._parts import restore_media

llm = declarai.openai(model="m", openai_token="sk-test")
CAT, PDF = Image(GIF), Document(pdf())


@llm.task
def caption(photo: Image, style: str = "dry") -> str:
    """Caption the photo in a {style} style

    :param photo: The photo
    """


@llm.task
def compare(pages: list[Image], contract: Document | None = None) -> str:
    """Compare {pages} with {{ contract }}."""


def said(request):
    """The last message of a request, its texts as they are."""
    return [part["text"] if isinstance(part, dict) else part for part in request.messages[-1].content]


def test_media_stand_at_the_end_behind_their_names_in_the_order_of_the_signature():
    @llm.task
    def judge(pages: list[Image], question: str, sound: Audio, rest: tuple[File, ...] = ()) -> str:
        """Answer"""

    wav = Audio(sound())
    request = judge.request([CAT, CAT], "why?", wav)
    assert said(request) == ["Answer\nInputs:\nquestion: why?\n\n", "pages:", CAT, CAT, "sound:", wav]


def test_a_name_in_the_docstring_says_where_they_stand():
    assert said(compare.request([CAT, CAT], PDF)) == ["Compare ", CAT, CAT, " with ", PDF, "."]
    assert said(compare.request([CAT])) == ["Compare ", CAT, " with None."]


def test_the_text_of_the_message_shows_what_they_are():
    message = caption.request(CAT).messages[-1]
    assert message.message == (
        "Parameters:\nphoto: The photo\n\nCaption the photo in a dry style\nphoto:\n<Image image/gif 12 B sha256:dba4a5a1>"
    )


def test_jinja_reaches_single_media_and_loops_over_them():
    @llm.task
    def first(pages: list[Image]) -> str:
        """Look. {% for page in pages %}{{ loop.index }}: {{ page }} {% endfor %}"""

    @llm.task
    def only(pages: list[Image], photo: Image) -> str:
        """Look at {pages[1]}{% if False %}{{ photo }}{% endif %}"""

    other = Image(picture())
    assert said(first.request([CAT, other])) == ["Look. 1: ", CAT, " 2: ", other]
    assert said(only.request([CAT, other], CAT)) == ["Look at ", other, "photo:", CAT]


def test_a_prompt_of_media_alone_is_no_empty_one():
    @llm.task(system="Describe what you are shown")
    def describe(photo: Image): ...

    assert said(describe.request(CAT)) == ["photo:", CAT]


def test_bytes_paths_and_pictures_stand_for_media(tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(GIF)
    from PIL import Image as Pillow

    assert said(caption.request(GIF))[-1] == CAT
    assert said(caption.request(path))[-1] == Image(GIF, name="a.gif")
    assert said(caption.request(Pillow.new("RGB", (1, 1))))[-1].media_type == "image/png"


def test_none_is_only_what_the_signature_says():
    @llm.task
    def look(photo: Image | None, other: Image = None, more: list[Image] | None = None) -> str:
        """Look"""

    assert look.request(None).messages[-1] == Message("Look")
    with pytest.raises(TypeError, match="got NoneType"):
        caption.request(None)


@pytest.mark.parametrize("value", ["cat.jpg", "https://a.example/x.png", 3, [CAT], PDF, object()])
def test_anything_else_is_a_type_error_that_says_what_to_write(value):
    with pytest.raises(
        TypeError, match=r"the argument 'photo': expected Image.open\(path\), Image.url\(address\), bytes"
    ):
        caption.request(value)


def test_a_list_is_a_list():
    with pytest.raises(TypeError, match="the argument 'pages': expected a list of Image, got <Image"):
        compare.request(CAT)
    with pytest.raises(TypeError, match="expected a list of Image, got bytes"):
        compare.request(GIF)
    with pytest.raises(TypeError, match="got str"):
        compare.request(["cat.jpg"])


def test_bytes_that_are_something_else_are_refused_before_anything_is_sent():
    with pytest.raises(MediaError, match="but the bytes are text/plain"):
        caption(b"<svg/>")


def test_unions_take_each_of_their_kinds():
    @llm.task
    def read(thing: Annotated[Image | Document, "any"], more: Sequence[Audio] | Audio = (), *rest: Image) -> str:
        """Read"""

    wav = sound()
    assert said(read.request(GIF)) == ["Read", "thing:", CAT]
    assert said(read.request(pdf(), [wav], GIF)) == [
        "Read", "thing:", PDF, "more:", Audio(wav), "rest:", CAT,
    ]  # fmt: skip
    assert said(read.request(PDF, wav))[-1] == Audio(wav)
    with pytest.raises(MediaError):
        read.request(b"\0\1")


def test_annotations_may_be_texts_and_optional():
    @llm.task
    def look(photo: "Image", extra: Optional["File"] = None, other: "Unknown" = 1) -> str:  # noqa: F821
        """Look"""

    assert said(look.request(CAT, CAT)) == ["Look\nInputs:\nother: 1\n\n", "photo:", CAT, "extra:", CAT]


@pytest.mark.parametrize("annotation", [Image | str, dict[str, Image], list[Image | int]])
def test_media_among_other_things_are_refused_at_the_declaration(annotation):
    def look(photo):
        """Look"""

    look.__annotations__ = {"photo": annotation, "return": str}
    with pytest.raises(DefinitionError, match="'photo': a parameter takes media alone"):
        llm.task(look)


def test_media_by_any_name_and_in_the_system_prompt_are_refused():
    with pytest.raises(DefinitionError, match="media cannot be given by any name"):

        @llm.task
        def look(**photos: Image) -> str:
            """Look"""

    with pytest.raises(DefinitionError, match="media cannot stand in the system prompt, as 'photo' does"):

        @llm.task(system="See {photo}")
        def see(photo: Image) -> str:
            """Look"""


def test_media_for_another_parameter_are_no_text():
    class Order(BaseModel):
        photo: Image

    @dataclasses.dataclass
    class Plain:
        photo: Image

    @llm.task
    def look(thing) -> str:
        """Look"""

    with pytest.raises(ArgumentError, match="annotate its parameter with Image"):
        look.request(CAT)
    with pytest.raises(ArgumentError, match="annotate its parameter with Image"):
        look.request(Plain(CAT))
    with pytest.raises(ArgumentError, match="give it as a parameter of its own"):
        look.request(Order(photo=GIF))


def test_a_prompt_is_shown_and_locked_without_its_media():
    shown = caption.compile()["messages"][-1].message
    assert shown.endswith("Caption the photo in a dry style\nphoto: {photo}")
    assert compare.compile()["messages"][-1].message == "Compare {pages} with None."
    assert caption.compile(photo=CAT)["messages"][-1].message.endswith(repr(CAT))
    assert caption.request(CAT).prompt_version == caption.request(picture()).prompt_version


@pytest.mark.parametrize("returned", [Image, list[Image], Image | None, dict[str, Document]])
def test_a_task_cannot_return_media(returned):
    def draw(what: str): ...

    draw.__annotations__["return"] = returned
    draw.__doc__ = "Draw"
    with pytest.raises(DefinitionError, match="a model answers in text"):
        llm.task(draw)


def test_nor_can_a_field_of_what_it_returns():
    class Page(BaseModel):
        photos: list[Image]

    with pytest.raises(DefinitionError, match="a model answers in text"):

        @llm.task
        def draw(what: str) -> Page:
            """Draw"""


class Cover(llm.Prompt):
    """Judge {pages} now"""

    photo: Image
    pages: list[Image] = []  # noqa: RUF012 - pydantic copies it
    notes: Document | None = None


def test_fields_of_class_prompts_are_media_too():
    request = Cover(photo=GIF, pages=[CAT]).request()
    assert said(request) == ["Judge ", CAT, " now", "photo:", CAT]
    assert said(Cover(photo=CAT).request()) == ["Judge [] now", "photo:", CAT]


def test_a_system_prompt_of_a_class_has_no_media():
    class See(llm.Prompt):
        """See"""

        system = "Look at {photo}"
        photo: Image

    with pytest.raises(ArgumentError, match="media cannot stand in the system prompt"):
        See(photo=CAT).request()

    class Nothing(llm.Prompt):
        """{text}"""

        text: str = ""

    with pytest.raises(DeclaraiError, match="empty prompt"):
        Nothing().request()


@llm.chat
class Bot:
    """Be brief"""


def asked(*files):
    return Bot().prepare_turn("What is this?", {}, None, {"files": list(files)}).request


def test_files_go_with_a_message_of_a_chat(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hi")
    address = Image.url("https://a.example/x.png")
    assert said(asked(CAT, path, pdf(), address, {"id": "file-1"})) == [
        "What is this?", CAT, Document(b"hi", name="notes.txt"), PDF, address, File.id("file-1"),
    ]  # fmt: skip
    assert asked().messages[-1] == Message("What is this?")


@pytest.mark.parametrize("files", ["cat.jpg", CAT, Path("cat.jpg"), GIF, 3, ["cat.jpg"], {"url": "https://a.example"}])
def test_files_are_a_list_of_media(files):
    with pytest.raises(TypeError, match="files"):
        Bot().send("What is this?", files=files)


def test_media_stand_in_messages_of_ones_own():
    message = Message.of({"role": "user", "content": [{"type": "text", "text": "What is this?"}, CAT]})
    assert message.content[1] is CAT
    assert Message.of(dict(message)).content[1]["type"] == "media"


def test_parts_without_media_stay_the_same_message():
    message = Message.of({"role": "user", "content": [{"type": "text", "text": "hi"}]})
    assert restore_media(message) is message
