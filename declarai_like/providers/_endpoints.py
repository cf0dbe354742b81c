"""One model's address, key, headers and clients; what of it may be shown, and what may be pickled."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

from declarai_like.errors import ConfigurationError
from declarai_like.providers._clients import Clients
from declarai_like.providers._http_library import build_async_client, build_client
from declarai_like.providers._official_clients import hold_limits
from declarai_like.providers._secrets import (
    address_secrets,
    client_secrets,
    header_secrets,
    is_secret_name,
    public_address,
    redactor_of,
)
from declarai_like.providers.base import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TypeAlias

    from declarai_like._wire.codecs.base import Codec, Learned
    from declarai_like.requests import Headers, Request

    Key: TypeAlias = Secret | Callable[[], str | Awaitable[str]]

__all__ = ["Endpoint"]


class Endpoint:
    """A model behind an HTTP address; a subclass names the address, the codec and the key's header."""

    name = "http"
    address_variable = "OPENAI_BASE_URL"
    """The environment variable that gives the base URL where no argument does."""
    _lost_login = False
    """Whether a login stood in the address of the provider that this one was pickled from."""

    def __init__(
        self,
        model: str,
        *,
        key: Key | None = None,
        base_url: str | None = None,
        headers: Headers | None = None,
        streaming: bool = False,
        http_client: Any = None,
        http_async_client: Any = None,
        client: Any = None,
        async_client: Any = None,
    ) -> None:
        self.model = model
        self.streaming = streaming
        self._base_url = base_url
        self._key = key
        self._headers: Headers = headers if callable(headers) else dict(headers or {})
        self._http_clients = (http_client, http_async_client)
        self._official = (client, async_client)
        hold_limits(client, awaits=False)
        hold_limits(async_client, awaits=True)
        self._start()

    def _start(self) -> None:
        owns, owns_async = (client is None for client in self._http_clients)
        build, build_async = _weakly(self._build), _weakly(self._build_async)
        self._clients = Clients(build, build_async, owns=owns, owns_async=owns_async)
        self._learned: Learned = frozenset()

    # What a subclass says

    @abstractmethod
    def codec_of(self, request: Request) -> Codec:
        """Give the codec that a request is encoded with."""

    @property
    @abstractmethod
    def address(self) -> str:
        """The base URL that is asked, with its password and parameters. Raises `ConfigurationError` without one."""

    @property
    @abstractmethod
    def api_key(self) -> Secret:
        """The key as it stands in arguments or environment. Raises `ConfigurationError` if there is none."""

    def key_headers(self, key: Secret) -> dict[str, str]:
        """Give the headers that carry the key."""
        return {"Authorization": f"Bearer {key.reveal()}"}

    def path_of(self, codec: Codec, request: Request) -> str:
        """Give the path below the base URL."""
        return codec.path(request)

    # What is known of it

    @property
    def provider(self) -> str:
        """The provider's name, as declarai spells it."""
        return self.name

    @property
    def base_url(self) -> str | None:
        """The address that was given, as it may be shown: without its password and parameters."""
        return None if self._base_url is None else public_address(self._base_url)

    @property
    def where(self) -> str:
        """The provider and its address, for messages."""
        return f"{self.name} at {self._public_address}"

    @property
    def _public_address(self) -> str:
        blocking, awaiting = self._official
        official = awaiting if blocking is None else blocking
        return public_address(self.address if official is None else str(official.base_url))

    @property
    def origin(self) -> dict[str, Any] | None:
        """The provider and its address, as the `state` of a reply names them."""
        try:
            return {"provider": self.name, "base_url": self._public_address}
        except ConfigurationError:  # told when it is asked
            return None

    @property
    def account(self) -> str | None:
        """A digest of the address and the key, which tells nothing of them: callers that share it share its limits.

        `None` where the key is a function's, or an official client's.
        """
        if callable(self._key) or self._official != (None, None):
            return None
        try:
            told = f"{self.address}\n{self.api_key.plain()}"
        except ConfigurationError:  # told when it is asked
            return None
        from hashlib import sha256  # most calls have no need of it

        return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()

    # The key and the headers

    def _ask_key(self) -> Secret | None:
        """Give the key of this request; raises `ConfigurationError` if there is none."""
        if self._official[0] is not None:
            return None
        return self._check_key(self._key()) if callable(self._key) else self.api_key

    async def _ask_key_async(self) -> Secret | None:
        """Do what `_ask_key` does, in an event loop, where a key may be awaited."""
        if self._official[1] is not None:
            return None
        if not callable(self._key):
            return self.api_key
        key: Any = self._key()
        return self._check_key(await key if hasattr(key, "__await__") else key)

    def _check_key(self, key: Any) -> Secret:
        """Check what a function has given as the key of this request."""
        if hasattr(key, "__await__"):
            key.close()
            raise ConfigurationError("the key's function is a coroutine function: blocking calls need a plain one")
        key = Secret(key) if isinstance(key, str) else key
        if not isinstance(key, Secret) or not key:
            raise ConfigurationError(f"expected the key's function to give a text, got {type(key).__name__}")
        self._keep_out(key)
        return key

    def _ask_headers(self, request: Request) -> dict[str, str]:
        """Give the headers of this request: the provider's, and over them those of its task."""
        return {**_mapping(_call(self._headers)), **_mapping(_call(request.headers))}

    async def _ask_headers_async(self, request: Request) -> dict[str, str]:
        """Do what `_ask_headers` does, in an event loop, where headers may be awaited."""
        told = [_call(self._headers), _call(request.headers)]
        known = [await each if hasattr(each, "__await__") else each for each in told]
        return {**_mapping(known[0]), **_mapping(known[1])}

    def _redact(self, key: Secret | None, value: Any) -> Any:
        """Blank out every secret of this provider in what is no part of an answer."""
        return redactor_of(self._secrets(key))(value)

    def _secrets(self, asked: Secret | None) -> list[str]:
        """Give all that nobody is to see: keys, secret headers, the login in the address or in a client."""
        secrets = [] if asked is None else [asked.plain()]
        with suppress(ConfigurationError):
            if not callable(self._key):
                secrets.append(self.api_key.plain())
        with suppress(ConfigurationError):
            secrets += address_secrets(self.address)
        if not callable(self._headers):
            secrets += header_secrets(self._headers)
        for client in self._http_clients:
            secrets += client_secrets(client)
        for client in self._official:
            if isinstance(key := getattr(client, "api_key", None), str):
                secrets.append(key)
        return secrets

    # The clients

    def _build(self) -> Any:
        self._keep_out()
        given = self._http_clients[0]
        return build_client() if given is None else given

    def _build_async(self) -> Any:
        self._keep_out()
        given = self._http_clients[1]
        return build_async_client() if given is None else given

    def _keep_out(self, key: Secret | None = None) -> None:
        """Have the secrets blanked out in what the libraries below log."""
        from declarai_like.providers._log_redaction import keep_out

        keep_out(self, *map(Secret, self._secrets(key)))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what cannot be carried to another process: keys, headers that hold secrets, the connections."""
        state = {name: value for name, value in self.__dict__.items() if name not in ("_clients", "_learned")}
        headers = {} if callable(self._headers) else self._headers
        headers = {name: value for name, value in headers.items() if not is_secret_name(name)}
        state |= {"_key": None, "_headers": headers, "_http_clients": (None, None), "_official": (None, None)}
        if self._base_url and any(address_secrets(self._base_url)):
            state |= {"_base_url": public_address(self._base_url), "_lost_login": True}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r})"


def _weakly(method: Callable[[], Any]) -> Callable[[], Any]:
    """Give what calls a method but does not keep its owner: what nobody has any more is let go of at once."""
    weak: Any = WeakMethod(method)

    def call() -> Any:
        return weak()()

    return call


def _call(headers: Any) -> Any:
    return headers() if callable(headers) else headers or {}


def _mapping(headers: Any) -> Mapping[str, str]:
    if hasattr(headers, "items"):
        return headers  # type: ignore[no-any-return]  # a mapping then
    if hasattr(headers, "close"):
        headers.close()
    raise ConfigurationError(f"expected headers= to give a mapping of names to values, got {type(headers).__name__}")
