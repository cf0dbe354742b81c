"""What is told of a network that fails: the innermost cause, the advice, and no secret."""

import socket
import ssl

import pytest

from declarai_like import errors
from declarai_like.providers._causes import cause_of
from declarai_like.providers._http_library import http_library, keep_alive
from declarai_like.providers._secrets import address_secrets, header_secrets
from declarai_like.providers._translation import translate_error
from declarai_like.providers._waits import Waits
from declarai_like.requests import HangUp, Limits

httpx = http_library()


def told(error, *, streaming=True):
    waits = Waits(Limits(), streaming=streaming)
    return translate_error(error, where="openai at http://h", redact=lambda value: value, waits=waits)


def raised(outer, inner):
    outer.__cause__ = inner
    return outer


class Tried(Exception):
    """As the ExceptionGroup of newer Pythons."""

    exceptions = (ValueError("no"), ConnectionRefusedError(111, "refused"))


def test_innermost_cause_of_the_addresses_tried_is_found():
    found = cause_of(raised(httpx.ConnectError("all failed"), Tried()))
    assert isinstance(found, ConnectionRefusedError)
    assert found.__traceback__ is None


def test_error_that_is_its_own_context_is_read_once():
    error = OSError(5, "input/output error")
    error.__cause__ = outer = RuntimeError("below")
    outer.__context__ = error
    assert cause_of(error) is error


def test_cause_without_a_network_error_is_none():
    assert cause_of(ValueError("no network")) is None


@pytest.mark.parametrize(
    ("cause", "advice"),
    [
        (ssl.SSLCertVerificationError(1, "self-signed certificate"), "SSL_CERT_FILE"),
        (ssl.SSLError(1, "wrong version number"), "speaks TLS"),
        (socket.gaierror(-2, "Name or service not known"), "check the address and the network"),
    ],
)
def test_advice_is_about_what_failed(cause, advice):
    error = told(raised(httpx.ConnectError("x"), cause))
    assert isinstance(error, errors.ProviderConnectionError)
    assert error.phase == "connect"
    assert advice in str(error)


def test_header_with_a_line_break_is_not_shown():
    error = told(httpx.LocalProtocolError("Illegal header value b'sk-secret\\n'"))
    assert isinstance(error, errors.ConfigurationError)
    assert "sk-secret" not in str(error)


def test_body_that_does_not_decompress_is_an_invalid_response():
    error = told(httpx.DecodingError("Error -3 while decompressing data"))
    assert isinstance(error, errors.InvalidResponse)
    assert "content-encoding" in str(error)


def test_address_of_another_scheme_is_a_configuration_error():
    assert isinstance(told(httpx.UnsupportedProtocol("no scheme")), errors.ConfigurationError)


@pytest.mark.parametrize(
    ("error", "advice"),
    [(httpx.ConnectTimeout("x"), "connect_timeout="), (httpx.PoolTimeout("x"), "all connections")],
)
def test_wait_for_a_connection_says_what_to_raise(error, advice):
    error = told(error)
    assert isinstance(error, errors.ProviderTimeout)
    assert error.phase == "connect"
    assert advice in str(error)


def test_connect_after_the_whole_time_names_the_call():
    waits = Waits(Limits(timeout=1e-9), streaming=True)
    error = translate_error(httpx.ConnectTimeout("x"), where="h", redact=str, waits=waits)
    assert "timeout=" in str(error)
    assert error.phase == "connect"


def test_time_of_the_whole_call_ends_work_that_waits_for_nothing():
    Waits(Limits(timeout=600), streaming=True).check()
    with pytest.raises(errors.ProviderTimeout, match="raise timeout="):
        Waits(Limits(timeout=1e-9), streaming=True).check()


def test_connection_that_shows_no_socket_is_not_cut():
    hang_up = HangUp()
    Waits(Limits(hang_up=hang_up), streaming=True).reads_from(Connection(None))
    hang_up.request()
    assert hang_up.is_requested


class Connection:
    """What the HTTP library shows of a connection."""

    def __init__(self, connection):
        self._connection = connection

    def get_extra_info(self, name):
        return self._connection if name == "socket" else None


def test_silent_connection_is_probed():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        keep_alive(Connection(connection))
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_connection_that_is_gone_or_no_network_is_left_alone():
    closed = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    closed.close()
    keep_alive(Connection(closed))
    keep_alive(Connection(None))
    local, other = socket.socketpair()
    with local, other:
        keep_alive(Connection(local))
        assert local.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


def test_system_without_the_times_of_probes_probes_all_the_same(monkeypatch):
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"):
        monkeypatch.delattr(socket, name, raising=False)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        keep_alive(Connection(connection))
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_login_that_is_no_base64_hides_the_header_alone():
    assert list(header_secrets({"Authorization": "Basic !!"})) == ["Basic !!", "!!"]


def test_address_that_cannot_be_read_has_no_secrets():
    assert list(address_secrets("http://[::1")) == []
