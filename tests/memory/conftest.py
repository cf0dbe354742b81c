import itertools

import pytest
from memory.servers import Mongo, Postgres, Redis
from memory.stores import Store
from memory.ways import Awaiting, Blocking

_numbers = itertools.count()


def _running(server):
    server.start()
    yield server
    getattr(server, "close", server.stop)()


@pytest.fixture(scope="session")
def redis(tmp_path_factory):
    yield from _running(Redis(tmp_path_factory.mktemp("redis")))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    yield from _running(Postgres(tmp_path_factory.mktemp("postgres")))


@pytest.fixture(scope="session")
def mongodb(tmp_path_factory):
    yield from _running(Mongo(tmp_path_factory.mktemp("mongodb")))


@pytest.fixture
def store(request, tmp_path):
    """An empty store of the kind that the test is parametrised with (`indirect=["store"]`)."""
    kind = request.param
    on_a_server = kind in ("redis", "postgres", "mongodb")
    address = request.getfixturevalue(kind).address if on_a_server else str(tmp_path)
    return Store(kind, address, f"t{next(_numbers)}_{tmp_path.name}"[:60])


@pytest.fixture(params=[Blocking, Awaiting], ids=["sync", "async"])
def using(request):
    """The way to use a history: blocking or awaiting."""
    return request.param
