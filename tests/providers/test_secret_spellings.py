"""What nobody is to see: in no spelling, in addresses, headers and clients of the user's own."""

import base64
import json
import pickle
import traceback
from urllib.parse import quote

import pytest

import declarai_like as declarai
from declarai_like.errors import ConfigurationError, DeclaraiError
from declarai_like.providers._secrets import (
    address_secrets,
    check_address,
    client_secrets,
    header_secrets,
    is_secret_name,
    public_address,
    redactor_of,
)
from declarai_like.testing import error_reply, text_reply

CANARY = 'sk-"cana\\ry/1234567890'


@pytest.mark.parametrize(
    "spelled",
    [
        CANARY,
        json.dumps(CANARY),
        json.dumps({"inner": json.dumps({"key": CANARY})}),
        repr(CANARY),
        quote(CANARY),
        quote(CANARY, safe=""),
        json.dumps(CANARY).replace("/", "\\/"),
    ],
)
def test_a_secret_is_blanked_out_however_it_is_spelled(spelled):
    redacted = redactor_of([CANARY])({"say": [f"before {spelled} after"]})["say"][0]
    assert "canary" not in redacted.replace("\\", "")
    assert "1234567890" not in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")


@pytest.mark.parametrize("prefix", ["", "u", "us", "user:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_is_blanked_out_in_base64(prefix, encode):
    encoded = encode((prefix + CANARY).encode()).decode()
    redacted = redactor_of([CANARY])(f"Basic {encoded}")
    assert "**********" in redacted
    assert len(redacted) < len("Basic **********") + 10


def test_short_words_are_no_secrets():
    assert redactor_of(["abc", ""])("abc") == "abc"


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("Authorization", True),
        ("X-Api-Key", True),
        ("api-key", True),
        ("Cookie", True),
        ("Proxy-Authorization", True),
        ("X-Auth-Token", True),
        ("X-Max-Tokens", False),
        ("X-Author", False),
        ("X-Keyboard", False),
        ("Content-Type", False),
    ],
)
def test_headers_that_hold_secrets_are_named_exactly(name, is_secret):
    assert is_secret_name(name) is is_secret


def test_parts_of_headers_are_secrets_too():
    login = base64.b64encode(b"bob:hunter22").decode()
    headers = {"Authorization": f"Basic {login}", "Cookie": "a=session-1234; b=x", "X-Kind": "plain"}
    found = set(header_secrets(headers))
    assert {login, "bob:hunter22", "hunter22", "session-1234"} <= found
    assert "plain" not in found


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://localhost:1234/v1", "http://localhost:1234/v1"),
        ("https://bob:hunter22@host/v1?api-key=abcdef", "https://host/v1"),
        ("http://[/v1", "http://[/v1"),
        ("http://bob:hunter22@[/v1", "an address that cannot be read"),
    ],
)
def test_an_address_is_shown_without_login_and_parameters(address, shown):
    assert public_address(address) == shown


def test_an_address_holds_secrets():
    found = set(address_secrets("https://bob:hunter%40@host/v1?api-key=abcdef&x=1"))
    assert {"hunter%40", "hunter@", "abcdef"} <= found
    assert "1" not in found
    assert list(address_secrets("http://[")) == []


@pytest.mark.parametrize(
    "address", ["localhost:1234/v1", "host/v1", "ftp://host/v1", "http://", "http://host:x/v1", ""]
)
def test_an_address_that_cannot_be_asked_is_refused(address):
    with pytest.raises(ConfigurationError, match="check the base_url"):
        check_address(address)


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
def test_a_base_url_without_a_scheme_is_a_configuration_error(streaming):
    llm = declarai.openai("m", openai_token="k-12345", base_url="localhost:1234/v1")
    with pytest.raises(ConfigurationError, match="https://host/v1"), llm.stream("x") as stream:
        stream.until_done() if streaming else llm.send("x")


class Client:
    """An HTTP client of the user's own, as far as its secrets go."""

    def __init__(self):
        self.headers = {"authorization": "Bearer client-canary-1", "accept": "*/*"}

    class auth:  # noqa: N801 - an instance in the library
        pass

    class cookies:  # noqa: N801 - the same
        class Jar:
            value = "cookie-canary-1"

        jar = (Jar,)


def test_the_users_own_client_holds_secrets():
    client = Client()
    client.auth = Client.auth()
    client.auth.header = "Basic " + base64.b64encode(b"bob:auth-canary-1").decode()
    client.auth.number = 1
    found = set(client_secrets(client))
    assert {"client-canary-1", "auth-canary-1", "cookie-canary-1"} <= found
    assert list(client_secrets(None)) == []


def shown(error):
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)) + str(error)


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"Authorization": "Bearer header-canary-1"}},
        {"headers": {"Cookie": "sid=header-canary-1"}},
        {"headers": {"Proxy-Authorization": "Basic " + base64.b64encode(b"bob:header-canary-1").decode()}},
    ],
)
def test_secret_headers_that_a_server_repeats_are_not_shown(server, openai, options):
    server.enqueue(error_reply(400, f"bad login header-canary-1 in {options}"))
    with pytest.raises(DeclaraiError) as caught:
        openai(**options).send("x")
    assert "canary" not in shown(caught.value)
    assert "aGVhZGVy" not in shown(caught.value)


def test_a_login_in_the_address_is_not_shown(server, openai):
    address = server.base_url.replace("http://", "http://bob:url-canary-1@")
    server.enqueue(error_reply(400, "no login url-canary-1"))
    llm = openai(base_url=address)
    with pytest.raises(DeclaraiError) as caught:
        llm.send("x")
    assert "canary" not in shown(caught.value) + repr(llm) + repr(llm.llm)


def test_a_login_in_the_address_is_not_pickled(openai):
    llm = openai(base_url="http://bob:url-canary-1@localhost:9/v1", http_client=None)
    pickled = pickle.dumps(llm.llm)
    assert b"canary" not in pickled
    with pytest.raises(ConfigurationError, match="not pickled"):
        declarai.Declarai.of(pickle.loads(pickled)).send("x")  # noqa: S301 - our own words


def test_what_the_model_says_is_never_changed(server, openai):
    server.enqueue(text_reply("The error is that ollama is not running."))
    assert openai(openai_token="ollama").send("x").response == "The error is that ollama is not running."
