"""Media as values: what bytes may be, how they are shown, compared, pickled, and read from files."""

import copy
import json
import os
import pickle
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media.samples import FLAC, GIF, MP3, MP4, OGG, pdf, picture, sound
from pydantic import BaseModel, TypeAdapter, ValidationError

from declarai_like import Audio, Document, File, Image
from declarai_like.errors import ArgumentError, LimitExceeded, MediaError, MissingExtra
from declarai_like.media._kinds import of_any_kind
from declarai_like.media._pictures import shrink
from declarai_like.media._signatures import detect

HTML, SVG, EXE, ELF = b"<html><img>", b"<svg xmlns='...'/>", b"MZ\x90\0\3", b"\x7fELF\2\1"
MPEG_FRAME = b"\xff\xfb\x90\x64" + bytes(8)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (picture("png"), "image/png"), (picture("jpeg"), "image/jpeg"), (picture("gif"), "image/gif"),
        (picture("webp"), "image/webp"), (sound(), "audio/wav"), (MP3, "audio/mpeg"), (MPEG_FRAME, "audio/mpeg"),
        (OGG, "audio/ogg"), (FLAC, "audio/flac"), (MP4, "audio/mp4"), (pdf(), "application/pdf"),
        (b"hello", "text/plain"), ("über".encode(), "text/plain"), (HTML, "text/plain"),
        (b"", None), (b"\0\0\0\x18ftypheic", None), (b"RIFF....AVI ", None), (b"\xff\xfe\x00\x64", None),
        (b"\xff\xfb\x00\x64\xff", None), (b"\xff\xfb\xff\xff", None), (b"\xff", None), (b"a\0b", None),
    ],
)  # fmt: skip
def test_the_type_is_told_by_the_bytes(data, kind):
    assert detect(data) == kind


@given(st.binary(max_size=64))
def test_any_bytes_have_a_type_or_none_and_no_other_end(data):
    assert detect(data) is None or "/" in detect(data)


@pytest.mark.parametrize("data", [HTML, SVG, EXE, ELF, pdf(), sound(), b"", b"\0\1\2"])
def test_an_image_is_no_page_program_or_document(data):
    with pytest.raises(ValueError, match=r"Image: (expected|the bytes are those of a program)"):
        Image(data)


@pytest.mark.parametrize(
    ("kind", "data"), [(Audio, picture()), (Document, picture()), (Document, EXE), (File, ELF), (File, b"\0\1\2")]
)
def test_other_kinds_refuse_what_they_are_not(kind, data):
    with pytest.raises(MediaError, match=kind.__name__):
        kind(data)


def test_a_type_that_contradicts_the_bytes_is_refused():
    with pytest.raises(MediaError, match="media_type says image/png, but the bytes are image/gif"):
        Image(GIF, "image/png")
    with pytest.raises(MediaError, match="media_type says text/plain"):
        File(b"\0\1", "text/plain")
    with pytest.raises(MediaError, match="expected a media type as 'image/png'"):
        Image(GIF, "picture")


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (Image(picture("jpeg"), "image/jpg"), "image/jpeg"), (Audio(MP3, "audio/mp3"), "audio/mpeg"),
        (Document(b"a,b", "text/csv"), "text/csv"), (Document(b"{}", "application/json"), "application/json"),
        (Document(b"hi"), "text/plain"), (Document(pdf()), "application/pdf"), (File(GIF), "image/gif"),
        (File(b"a,b", "text/csv; charset=utf-8"), "text/csv"), (File(b"PK\3\4\xff", "application/zip"), "application/zip"),
    ],
)  # fmt: skip
def test_a_type_may_be_said_by_its_other_names_and_where_the_bytes_do_not_say_it(made, kind):
    assert made.media_type == kind


def test_repr_shows_type_size_and_hash_and_no_bytes():
    assert repr(Image(GIF)) == "<Image image/gif 12 B sha256:dba4a5a1>"
    assert repr(Document(b"x" * 12_345)).startswith("<Document text/plain 12.3 kB sha256:")
    assert repr(Document(b"x" * 2_500_000)).startswith("<Document text/plain 2.5 MB sha256:")
    assert repr(Image.url("https://a.example/c.png?signature=abc")) == "<Image https://a.example/c.png?...>"
    assert repr(Image.url("https://a.example/c.png")) == "<Image https://a.example/c.png>"
    assert repr(File.id("file-1")) == "<File id:file-1>"


def test_media_are_never_changed():
    image = Image(GIF)
    with pytest.raises(AttributeError, match="never changed"):
        image.name = "x"
    with pytest.raises(AttributeError, match="never changed"):
        del image.name


def test_media_are_equal_by_kind_name_and_content():
    assert Image(GIF) == Image.bytes(bytearray(GIF))
    assert len({Image(GIF), Image(GIF), File(GIF), Image(GIF, name="a"), Image.id("x"), Image.id("y")}) == 5
    assert Image(GIF) != GIF


@pytest.mark.parametrize(
    "made",
    [
        Image(GIF, name="a.gif"), Document(b"a,b", "text/csv"), File.id("file-1", media_type="text/plain"),
        Image.url("https://a.example/c.png", download=True, allow_hosts=["a.example"]),
    ],
)  # fmt: skip
def test_media_are_pickled_and_copied_by_content(made):
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own
    assert copy.deepcopy(made) == made


def test_a_lazy_file_is_read_when_it_is_needed_once_and_pickled_by_content(tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(GIF)
    image = Image.open(path, eager=False)
    assert repr(image) == "<Image a.gif, not read yet>"
    carried = pickle.loads(pickle.dumps(image))  # noqa: S301 - our own
    path.unlink()
    assert (carried.data, carried.name, image.data) == (GIF, "a.gif", GIF)
    lazy = Image.open(path, eager=False)
    with pytest.raises(FileNotFoundError):
        _ = lazy.size


@pytest.mark.parametrize("asked", ["media_type", "size", "digest"])
def test_what_is_asked_of_a_lazy_file_is_read(tmp_path, asked):
    (tmp_path / "a.gif").write_bytes(GIF)
    assert getattr(Image.open(tmp_path / "a.gif", eager=False), asked) == getattr(Image(GIF), asked)


def test_a_file_is_read_at_once_and_no_further_than_it_may(tmp_path):
    path = tmp_path / "big.txt"
    path.write_bytes(b"x" * 1000)
    assert Document.open(path, max_bytes=1000).size == 1000
    with pytest.raises(LimitExceeded, match="has 1000 bytes, max_bytes=999 allows no more"):
        Document.open(str(path), max_bytes=999)
    with pytest.raises(LimitExceeded):
        Document.open(path, max_bytes=10, root=tmp_path)


def test_a_file_of_a_terabyte_is_not_read(tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(LimitExceeded, match=r"has 1000000000000 bytes, max_bytes=20971520"):
        Image.open(tmp_path / "large")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs a file that does not say its size")
def test_a_file_that_does_not_say_its_size_is_read_as_far_as_it_may():
    with pytest.raises(LimitExceeded, match=r"has 101 bytes, max_bytes=100"):
        Document.open("/proc/self/maps", max_bytes=100)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MediaError, match="which is none"):
        Document.open(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        Document.open(tmp_path / "nothing")


def test_no_link_and_no_path_leads_out_of_the_root(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "secret.txt"
    (root / "inner").mkdir(parents=True)
    outside.write_text("secret")
    (root / "inner" / "a.txt").write_text("fine")
    (root / "link.txt").symlink_to(outside)
    (root / "within.txt").symlink_to(root / "inner" / "a.txt")
    assert Document.open("inner/a.txt", root=root).data == b"fine"
    assert Document.open("within.txt", root=root).data == b"fine"
    assert Document.open(root / "inner" / "a.txt", root=root).data == b"fine"
    for path in ("link.txt", "../secret.txt", outside, "inner/../../secret.txt", "."):
        with pytest.raises(MediaError, match="expected a file below"):
            Document.open(path, root=root)


def test_what_came_between_is_not_followed(tmp_path, monkeypatch):
    """The path is resolved, and then opened step by step: a folder that became a link meanwhile is not entered."""
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.txt").write_text("secret")
    (root / "a").rmdir()
    (root / "a").symlink_to(tmp_path / "b")
    monkeypatch.setattr(os.path, "realpath", str)
    with pytest.raises(OSError, match=r"x\.txt|a"):
        Document.open("a/x.txt", root=root)


def test_addresses_are_https_without_logins():
    for address in (
        "http://a.example/x.png", "ftp://a.example/x", "file:///etc/passwd", "https:///x", "https://u:p@a.example/x",
        "https://u@a.example/x", "https://a.example/x y", "https://a.example:99999/", "https://[::1", "x.png",
        "https://a.example\\@b.example/", "javascript:alert(1)",
    ):  # fmt: skip
        with pytest.raises(MediaError):
            Image.url(address)
    assert Image.url("http://a.example/x", allow_hosts=["a.example"]).address == "http://a.example/x"
    assert File.url("gs://bucket/x").address == "gs://bucket/x"


def test_data_urls_become_bytes():
    assert Image.url("data:image/gif;base64,R0lGODlhLi4uLi4u") == Image(GIF)
    assert Document.url("data:,a%20b").data == b"a b"
    for address in ("data:image/gif;base64,!", "data:", "data:image/gif;base64,PHN2Zz4="):
        with pytest.raises(MediaError):
            Image.url(address)


def test_what_is_said_of_an_address_or_id_must_fit_the_kind():
    assert Document.url("https://a.example/x", media_type="text/csv").media_type == "text/csv"
    assert Image.id("f", media_type="image/jpg").media_type == "image/jpeg"
    with pytest.raises(MediaError, match="expected one of"):
        Image.url("https://a.example/x", media_type="text/html")
    with pytest.raises(MediaError, match="expected the id of a file"):
        Image.id(" ")


def test_what_is_elsewhere_has_no_bytes():
    image = Image.id("f")
    assert (image.data, image.size, image.digest, image.media_type) == (None, None, None, None)
    with pytest.raises(MediaError, match="has no bytes here"):
        image.base64()
    image.check_size(1)


def test_a_text_is_never_taken_for_a_path():
    with pytest.raises(ArgumentError, match=r"Image.open\(path\) for a file, or Image.url\(address\)"):
        Image("cat.jpg")
    with pytest.raises(TypeError, match="expected bytes, got int"):
        Image(3)


class Page(BaseModel):
    photo: Image
    notes: Document | None = None


def test_pydantic_takes_values_bytes_paths_and_json_and_no_text(tmp_path):
    (tmp_path / "a.gif").write_bytes(GIF)
    for photo in (
        Image(GIF),
        GIF,
        {"data": "R0lGODlhLi4uLi4u"},
        {"media_type": "image/gif", "data": "R0lGODlhLi4uLi4u"},
    ):
        assert Page(photo=photo).photo == Image(GIF)
    assert Page(photo=tmp_path / "a.gif").photo.name == "a.gif"
    for photo in ("a.gif", str(tmp_path / "a.gif"), "https://a.example/x", 3, {"data": "!"}, {}, {"path": "a.gif"},
                  {"url": "https://a.example/x", "id": "f"}, {"id": 3}, Document(b"hi"), {"data": "PHN2Zz4="}):  # fmt: skip
        with pytest.raises(ValidationError):
            Page(photo=photo)


@pytest.mark.parametrize(
    "photo",
    [
        Image(GIF, name="a.gif"),
        Image.url("https://a.example/x.png", download=True),
        Image.id("f", media_type="image/png"),
    ],
)
def test_json_gives_back_what_it_was_made_of(photo):
    page = Page(photo=photo)
    assert Page.model_validate_json(page.model_dump_json()) == page
    assert page.model_dump()["photo"] is photo
    assert "base64" in json.dumps(Page.model_json_schema())
    assert TypeAdapter(File).json_schema()["title"] == "File"


def test_a_file_takes_any_media_and_bytes_choose_their_kind():
    assert TypeAdapter(File).validate_python(Image(GIF)) == Image(GIF)
    made = [of_any_kind(data) for data in (GIF, sound(), pdf(), b"hi")]
    assert [type(each) for each in made] == [Image, Audio, Document, Document]
    assert type(of_any_kind(b"PK\3\4\xff", "a.zip", "application/zip")) is File


def test_a_large_picture_is_made_smaller_and_keeps_its_type(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(picture("jpeg", (400, 200)))
    small = Image.open(path, max_side=100)
    assert (small.media_type, small.name) == ("image/jpeg", "a.jpg")
    import io

    from PIL import Image as Pillow

    assert Pillow.open(io.BytesIO(small.data)).size == (100, 50)
    assert Image.open(path, max_side=400).data == path.read_bytes()
    assert repr(Image.open(path, max_side=10, eager=False)) == "<Image a.jpg, not read yet>"


def test_a_picture_that_is_too_large_or_damaged_is_not_unpacked():
    header = picture("gif", (8, 8))

    def sized(side):
        return header[:6] + side.to_bytes(2, "little") * 2 + header[10:]

    for data, reason in (
        (sized(9_000), "9000 x 9000 pixels"),
        (sized(60_000), "cannot be unpacked"),
        (header[:8], "cannot"),
    ):
        with pytest.raises(MediaError, match=reason):
            shrink(data, "image/gif", 2)
    for side in (0, True, "2"):
        with pytest.raises(MediaError, match="expected max_side"):
            shrink(header, "image/png", side)


def test_pictures_of_other_libraries_become_png():
    import numpy as np
    from PIL import Image as Pillow

    photo = TypeAdapter(Image).validate_python(Pillow.new("RGB", (2, 2)))
    assert photo.media_type == "image/png"
    assert TypeAdapter(Image).validate_python(np.zeros((2, 3, 3), dtype="uint8")).media_type == "image/png"
    with pytest.raises(ValidationError):
        TypeAdapter(Image).validate_python(np.zeros((2, 2, 2, 2)))


def test_without_pillow_the_extra_is_named(monkeypatch):
    data = picture()
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra, match=r"declarai-like\[media\]"):
        shrink(data, "image/png", 2)


def test_a_store_that_gives_other_bytes_is_found_out():
    stored = Image.of_store(picture, digest=Image(GIF).digest, size=12, media_type="image/png")
    assert repr(stored) == "<Image image/png 12 B sha256:dba4a5a1>"
    with pytest.raises(MediaError, match="are others than those that were stored"):
        _ = stored.data
