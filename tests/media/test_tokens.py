"""Tokens of images, as far as their provider says how it counts them, and the sizes that they are counted by."""

import pytest
from media.samples import GIF, pdf, picture

import declarai_like as declarai
from declarai_like import Document, Image
from declarai_like._calls.prompt_tokens import count_prompt_tokens
from declarai_like.media._picture_sizes import picture_size
from declarai_like.testing import FakeLLM


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp"])
@pytest.mark.parametrize("size", [(1, 1), (640, 480), (300, 700)])
def test_the_size_of_a_picture_is_read_from_its_beginning(kind, size):
    assert picture_size(Image(picture(kind, size))) == size


def test_all_forms_of_webp_tell_their_size():
    import io

    from PIL import Image as Pillow

    for mode, options in (
        ("RGB", {"lossless": True}),
        ("RGBA", {"lossless": False, "exact": True}),
        ("RGB", {"quality": 10}),
    ):
        packed = io.BytesIO()
        Pillow.new(mode, (33, 44), 9).save(packed, "webp", **options)
        assert picture_size(Image(packed.getvalue())) == (33, 44)


@pytest.mark.parametrize(
    "media",
    [
        Image(b"RIFF\0\0\0\0WEBPXXXX"), Image(b"\xff\xd8\xff\xd8\xff\xd9"), Image(b"\xff\xd8\xff\xe0\0\x02x" + bytes(9)),
        Image(b"\x89PNG\r\n\x1a\n"), Document(pdf()), Image.url("https://a.example/x.png"),
    ],
)  # fmt: skip
def test_what_does_not_say_its_size_has_none(media):
    assert picture_size(media) is None


def test_a_picture_that_is_cut_behind_a_bare_marker_has_none():
    assert picture_size(Image(b"\xff\xd8\xff\xd0\xff\xc0\0\x11\x08\0\x05\0\x06" + bytes(9))) == (6, 5)


def tokens(model, *photos):
    def describe(photos: list[Image]) -> str:
        """Describe"""

    task = model.task(describe)
    return count_prompt_tokens(task.request(list(photos))) - count_prompt_tokens(
        task.request([Image.id("x")] * len(photos))
    )


LARGE, SMALL = Image(picture(size=(1024, 1024))), Image(picture(size=(300, 200)))


@pytest.mark.parametrize(
    ("model", "photo", "expected"),
    [
        (declarai.openai(model="gpt-4o", openai_token="k"), LARGE, 765),
        (declarai.openai(model="gpt-4o", openai_token="k"), SMALL, 255),
        (declarai.openai(model="gpt-4o-mini", openai_token="k"), LARGE, 2833 + 4 * 5667),
        (declarai.openai(model="gpt-5", openai_token="k"), LARGE, 70 + 4 * 140),
        (declarai.openai(model="o3", openai_token="k"), SMALL, 225),
        (declarai.openai(model="gpt-4.1-mini", openai_token="k"), LARGE, 0),
        (declarai.openai(model="somebody's", openai_token="k"), LARGE, 0),
        (declarai.anthropic(model="claude", api_key="k"), SMALL, 80),
        (declarai.anthropic(model="claude", api_key="k"), LARGE, 1399),
        (declarai.google(model="gemini", api_key="k"), SMALL, 258),
        (declarai.google(model="gemini", api_key="k"), LARGE, 4 * 258),
        (FakeLLM(), LARGE, 0),
    ],
    ids=lambda value: getattr(value, "model", None),
)
def test_images_are_counted_by_the_rules_of_their_provider(model, photo, expected):
    written = 20  # what the text of the message tells of them
    assert abs(tokens(model, photo) - expected) < written


def test_budgets_count_images():
    fake = FakeLLM(["fine"])

    @fake.task
    def describe(photo: Image) -> str:
        """Describe"""

    with declarai.limits() as spent:
        describe(GIF)
    assert spent.prompt_tokens > 0
