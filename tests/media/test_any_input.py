"""Whatever comes from outside has one of two ends: a value, or an error of ours."""

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from declarai_like import File, Image
from declarai_like.errors import ArgumentError, MediaError
from declarai_like.media._addresses import check_address, decode_data_url
from declarai_like.media._blanks import blank_bytes
from declarai_like.media._json import as_media
from declarai_like.media._picture_sizes import picture_size
from declarai_like.providers._address_guard import check_host, check_ip

BEGINNINGS = [
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF89a",
    b"RIFF\0\0\0\0WEBP",
    b"RIFF\0\0\0\0WEBPVP8 ",
    b"RIFF\0\0\0\0WEBPVP8L",
]
atom = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=8)
plain = atom | st.lists(atom, max_size=2) | st.lists(st.lists(atom, max_size=2), max_size=2)


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=64))
def test_pictures_have_a_size_or_none(beginning, rest):
    size = picture_size(Image(beginning + rest))
    assert size is None or all(side > 0 for side in size)


@given(st.one_of(st.text(), st.text().map("https://{}".format), st.text().map("https://[{}]/".format)))
def test_addresses_are_taken_or_refused(text):
    with suppress(MediaError):
        parts = check_address(text, ())
        assert parts.hostname
        assert parts.username is None
        check_host(parts.hostname)


@given(st.text().map("data:{}".format) | st.text().map("data:image/png;base64,{}".format))
def test_data_urls_are_read_or_refused(text):
    with suppress(MediaError):
        data, _ = decode_data_url(text)
        assert isinstance(data, bytes)


@given(
    st.dictionaries(
        st.sampled_from(["data", "url", "id", "media_type", "name", "download", "path"]) | st.text(max_size=5),
        plain,
        max_size=5,
    )
)
def test_plain_data_is_taken_or_refused(data):
    for kind in (Image, File):
        with suppress(MediaError, ArgumentError):
            assert isinstance(as_media(kind, data), kind)


@given(st.integers(0, 2**32 - 1))
def test_no_way_of_writing_a_private_address_in_version_6_is_public(number):
    """Mapped, compatible, translated or tunnelled: what stands for an address of version 4 is refused as a whole."""
    address = IPv4Address(number)
    spelled = [
        f"::ffff:{address}", f"::{address}", f"64:ff9b::{address}", str(IPv6Address((0x2002 << 112) | (number << 80))),
        str(IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF))),
    ]  # fmt: skip
    for text in spelled:
        try:
            check_ip(text, "a", is_allowed=False)
        except MediaError:
            continue
        raise AssertionError(text)


@given(plain)
def test_blanking_changes_nothing_that_is_short(value):
    assert blank_bytes(value) == value or max(map(len, str(value).split())) > 100
