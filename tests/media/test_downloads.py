"""Media fetched by us: from public addresses alone, little, and soon."""

import gzip
import http.server
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from media.samples import GIF, pdf, picture

import declarai_like as declarai
from declarai_like import Document, File, Image
from declarai_like.errors import LimitExceeded, MediaError
from declarai_like.providers import _media_downloads
from declarai_like.providers._address_guard import check_host, check_ip
from declarai_like.providers._media_downloads import MediaDownloads, resolve
from declarai_like.providers._timed_sockets import Deadline
from declarai_like.testing import LLMServer

TLS = Path(__file__).parents[1] / "tls"

# ruff: noqa: S104 - addresses to be refused

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.1.2.3",
    "169.254.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::a00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "64:ff9b::808:808",
    "100::1",
    "2001::1",
    "2001:0:0:0:0:0:f5ff:fffe",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2002:c0a8:1:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff05::1:3",
]
METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "::169.254.169.254",
    "2001:0:a9fe:a9fe::1",
    "2001:0:1:1:0:0:5601:5601",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "192.0.1.1", "100.128.0.1", "2606:4700::1111", "2001:4860:4860::8888"]
SPELLINGS = [
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "0",
    "1.2.3.4.5",
    "0x",
    "10.0.0.0x1",
    "08.1.1.1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public_are_refused_unless_their_host_is_allowed(address):
    with pytest.raises(MediaError, match=r"which is not public, so nothing is downloaded from it: allow_hosts=\['a'\]"):
        check_ip(address, "a", is_allowed=False)
    check_ip(address, "a", is_allowed=True)


@pytest.mark.parametrize("address", METADATA)
@pytest.mark.parametrize("is_allowed", [True, False])
def test_metadata_of_clouds_is_never_asked_for(address, is_allowed):
    with pytest.raises(MediaError, match="metadata of a cloud is never asked for"):
        check_ip(address, "a", is_allowed=is_allowed)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_fine(address):
    check_ip(address, "a", is_allowed=False)


@pytest.mark.parametrize("host", SPELLINGS)
def test_numbers_that_are_read_in_several_ways_are_no_hosts(host):
    with pytest.raises(MediaError, match="expected a host by name"):
        check_host(host)


def test_more_than_sixty_addresses_have_been_tried():
    assert len(PRIVATE) + len(METADATA) + len(SPELLINGS) >= 60


@pytest.mark.parametrize("host", ["a.example", "8.8.8.8", "::1", "1.example", "localhost"])
def test_other_hosts_are_looked_up(host):
    check_host(host)


def test_a_resolver_that_gives_no_address_is_told():
    with pytest.raises(MediaError, match="which is none"):
        check_ip("nonsense", "a", is_allowed=False)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:169.254.169.254"])
def test_a_name_is_refused_for_any_of_its_addresses_and_nothing_is_connected_to(address, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_a, **_k: pytest.fail("it was connected to"))
    downloads = MediaDownloads(lambda _host, _port: ["8.8.8.8", address])
    with pytest.raises(MediaError):
        downloads.fetch(Image.url("https://a.example/x.png"))


@pytest.mark.parametrize(
    "host", ["0x7f.1", "127.0.0.1", "[::1]", "[::ffff:169.254.169.254]", "[64:ff9b::a00:1]", "localhost", "2130706433"]
)
def test_the_systems_own_resolver_gives_no_way_in(host):
    with pytest.raises(MediaError, match=r"is not public|by name|metadata"):
        MediaDownloads().fetch(Image.url(f"https://{host}/x.png"))


def test_a_name_is_asked_for_once_though_its_server_changes_its_mind():
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with serving(lambda handler: send(handler, GIF)) as port:
        image = Image.url(f"http://a.test:{port}/x", allow_hosts=["a.test"])
        assert MediaDownloads(rebinding).fetch(image).data == GIF
    assert asked == ["a.test"]


def send(handler, body, status=200, **headers):
    handler.send_response_only(status)
    for name, value in {"Content_Length": str(len(body)), **headers}.items():
        if value is not None:
            handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serving(answer, *, tls=False):
    """A server of the loopback interface; `answer` is given the handler of each request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.seen.append((self.path, dict(self.headers)))
            with suppress(OSError):
                answer(self)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Port(server.server_address[1], server.seen)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Port(int):
    def __new__(cls, number, seen):
        made = super().__new__(cls, number)
        made.seen = seen
        return made


LOOPBACK = MediaDownloads(lambda _host, _port: ["127.0.0.1"])


def fetch(port, path="/x.gif", *, kind=Image, downloads=LOOPBACK, **options):
    return downloads.fetch(kind.url(f"http://a.test:{port}{path}", allow_hosts=["a.test"]), **options)


def test_bytes_come_with_their_name_and_no_header_of_ours():
    with serving(lambda handler: send(handler, GIF, Content_Type="text/html")) as port:
        image = fetch(port, "/cats/a.gif?size=1")
    assert (image.data, image.name, image.media_type) == (GIF, "a.gif", "image/gif")
    (path, headers), *_ = port.seen
    assert path == "/cats/a.gif?size=1"
    assert headers == {"Host": f"a.test:{port}", "Accept": "*/*", "Accept-Encoding": "gzip, identity"}


def test_a_page_that_says_it_is_an_image_is_none():
    with (
        serving(lambda handler: send(handler, b"<html>", Content_Type="image/gif")) as port,
        pytest.raises(MediaError, match="bytes are text/plain"),
    ):
        fetch(port)


def test_redirects_are_followed_three_times_each_checked():
    def answer(handler):
        left = int(handler.path[1:] or 0)
        send(handler, GIF) if not left else send(handler, b"", 302, Location=f"/{left - 1}")

    with serving(answer) as port:
        assert fetch(port, "/3").data == GIF
        with pytest.raises(MediaError, match="more than 3 redirects"):
            fetch(port, "/4")


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1/", "expected an https address"), ("https://127.0.0.1/x", "which is not public"),
        ("https://u:p@b.example/", "without user and password"), ("file:///etc/passwd", "expected an address"),
        ("gs://bucket/x", "is not downloaded here"), ("https://0x7f.1/", "expected a host by name"),
        ("https://[::ffff:169.254.169.254]/", "metadata"), ("//127.0.0.1/x", "expected an https address"),
    ],
)  # fmt: skip
def test_a_redirect_leads_nowhere_that_could_not_be_asked_for_first(location, reason):
    downloads = MediaDownloads(lambda host, port: ["127.0.0.1"] if host == "a.test" else resolve(host, port))
    with (
        serving(lambda handler: send(handler, b"", 301, Location=location)) as port,
        pytest.raises(MediaError, match=reason),
    ):
        fetch(port, downloads=downloads)


@pytest.mark.parametrize("told", [True, False])
def test_no_more_is_read_than_is_allowed(told):
    sent = []

    def answer(handler):
        send(handler, b"", Content_Length=str(10**9) if told else None)
        while len(sent) < 10_000:
            handler.wfile.write(GIF * 1000)
            sent.append(1)

    with serving(answer) as port, pytest.raises(LimitExceeded, match="has more than 50000 bytes"):
        fetch(port, limit=50_000)
    assert len(sent) < 10_000


def test_a_bomb_of_gzip_is_not_unpacked():
    bomb = gzip.compress(bytes(50_000_000))
    with serving(lambda handler: send(handler, bomb, Content_Encoding="gzip")) as port, pytest.raises(LimitExceeded):
        fetch(port, limit=1_000_000)


def test_gzip_is_unpacked_and_other_encodings_are_refused():
    packed = gzip.compress(GIF)
    with serving(lambda handler: send(handler, packed, Content_Encoding="gzip")) as port:
        assert fetch(port).data == GIF
    with (
        serving(lambda handler: send(handler, packed, Content_Encoding="br")) as port,
        pytest.raises(MediaError, match="encoding 'br'"),
    ):
        fetch(port)
    with (
        serving(lambda handler: send(handler, GIF, Content_Encoding="gzip")) as port,
        pytest.raises(MediaError, match="could not be downloaded"),
    ):
        fetch(port)


@pytest.mark.parametrize("headers", [{"Content_Length": "100"}, {"Content_Encoding": "gzip"}])
def test_what_ends_before_its_end_is_refused(headers):
    body = gzip.compress(GIF)[:-9] if "Content_Encoding" in headers else GIF
    with (
        serving(lambda handler: send(handler, body, **headers)) as port,
        pytest.raises(MediaError, match="ended before its end"),
    ):
        fetch(port)


@pytest.mark.parametrize("status", [204, 304, 401, 404, 500])
def test_another_status_is_told(status):
    with (
        serving(lambda handler: send(handler, b"", status)) as port,
        pytest.raises(MediaError, match=f"status {status}"),
    ):
        fetch(port)


def drip_body(handler):
    send(handler, b"", Content_Length="1000")
    for _ in range(1000):
        handler.wfile.write(b"G")
        time.sleep(0.05)


def drip_headers(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(1000):
        handler.wfile.write(b"X")
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [drip_body, drip_headers])
def test_a_slow_drip_ends_with_the_time(answer):
    downloads = MediaDownloads(lambda _host, _port: ["127.0.0.1"], seconds=0.5)
    started = time.monotonic()
    with serving(answer) as port, pytest.raises(MediaError, match=r"could not be downloaded within 0.5 seconds"):
        fetch(port, downloads=downloads)
    assert time.monotonic() - started < 20


def test_the_time_of_the_call_is_no_longer_than_its_own():
    with serving(drip_body) as port, pytest.raises(MediaError, match="could not be downloaded within"):
        fetch(port, seconds=0.3)


def test_a_resolver_that_never_answers_is_left():
    gate = threading.Event()
    downloads = MediaDownloads(lambda *_: [str(gate.wait(30))], seconds=0.2)
    with pytest.raises(MediaError, match="could not be downloaded within"):
        downloads.fetch(Image.url("https://a.example/x"))
    gate.set()


def test_what_the_resolver_raises_is_told():
    def fails(*_):
        raise OSError("no such host")

    for resolver, reason in (
        (fails, "no such host"),
        (lambda *_: [], "no address"),
        (lambda *_: "\udcff".encode("idna"), "is no name"),
    ):
        with pytest.raises(MediaError, match=reason):
            MediaDownloads(resolver).fetch(Image.url("https://a.example/x"))


def test_the_next_address_is_tried(monkeypatch):
    with serving(lambda handler: send(handler, GIF)) as port:
        downloads = MediaDownloads(lambda *_: ["127.0.0.2" if hasattr(socket, "AF_UNIX") else "127.0.0.1", "127.0.0.1"])
        real = socket.create_connection

        def refusing(address, **options):
            if address[0] == "127.0.0.2":
                raise ConnectionRefusedError
            return real(address, **options)

        monkeypatch.setattr(_media_downloads.socket, "create_connection", refusing)
        assert fetch(port, downloads=downloads).data == GIF


def test_https_wants_the_certificate_of_the_host(monkeypatch):
    with serving(lambda handler: send(handler, GIF), tls=True) as port:
        image = Image.url(f"https://localhost:{port}/a.gif", allow_hosts=["localhost"])
        with pytest.raises(MediaError, match=r"could not be downloaded: .*certificate"):
            LOOPBACK.fetch(image)
        trusting = ssl.create_default_context(cafile=str(TLS / "cert.pem"))
        trusting.hostname_checks_common_name = True
        monkeypatch.setattr(_media_downloads.ssl, "create_default_context", lambda: trusting)
        other = Image.url(f"https://other.test:{port}/a.gif", allow_hosts=["other.test"])
        with pytest.raises(MediaError, match="could not be downloaded"):
            LOOPBACK.fetch(other)
        assert LOOPBACK.fetch(image).data == GIF


def test_a_deadline_counts_down():
    now = [0.0]
    deadline = Deadline(2, lambda: now[0])
    assert deadline.left == 2
    now[0] = 2
    with pytest.raises(TimeoutError):
        _ = deadline.left


@pytest.mark.parametrize("is_async", [False, True])
def test_a_provider_that_cannot_fetch_is_sent_the_bytes(is_async):
    import asyncio

    with serving(lambda handler: send(handler, pdf())) as port, LLMServer(default="fine") as server:
        llm = declarai.openai(model="m", openai_token="k", base_url=server.base_url)
        llm.llm.downloads = LOOPBACK

        def read(contract: Document, photo: Image, again: Document, pages: list[File] = ()) -> str:
            """Read"""

        task = llm.task(read)
        contract = Document.url(f"http://a.test:{port}/c.pdf", allow_hosts=["a.test"])
        photo = Image.url("https://b.example/x.png")
        arguments = contract, photo, contract
        assert (asyncio.run(task.acall(*arguments)) if is_async else task(*arguments)) == "fine"
    parts = [part for part in server.requests[0].body["messages"][-1]["content"] if part["type"] != "text"]
    assert parts[0] == parts[2]
    assert parts[0]["file"]["filename"] == "c.pdf"
    assert parts[1] == {"type": "image_url", "image_url": {"url": "https://b.example/x.png"}}
    assert len(port.seen) == 1


def test_what_is_to_be_downloaded_is_downloaded_though_the_provider_could():
    with serving(lambda handler: send(handler, picture())) as port, LLMServer(default="fine") as server:
        llm = declarai.openai(model="m", openai_token="k", base_url=server.base_url)
        llm.llm.downloads = LOOPBACK

        @llm.task
        def describe(photo: Image) -> str:
            """Describe"""

        describe(Image.url(f"http://a.test:{port}/c.png", download=True, allow_hosts=["a.test"]))
        with pytest.raises(LimitExceeded):
            describe.with_options(max_media_bytes=10)(
                Image.url(f"http://a.test:{port}/c.png", download=True, allow_hosts=["a.test"])
            )
    url = server.requests[0].body["messages"][-1]["content"][-1]["image_url"]["url"]
    assert url.startswith("data:image/png;base64,")


def test_nothing_is_downloaded_from_a_private_address_by_a_task():
    with LLMServer(default="fine") as server:
        llm = declarai.openai(model="m", openai_token="k", base_url=server.base_url)

        @llm.task
        def read(contract: Document) -> str:
            """Read"""

        with pytest.raises(MediaError, match="is not public"):
            read(Document.url("https://127.0.0.1/c.pdf"))
    assert server.requests == []
