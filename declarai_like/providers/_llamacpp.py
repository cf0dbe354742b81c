"""llama.cpp's own HTTP server inside this process, for `local()`.

It listens on a loopback port that the system chooses, behind a random key, and computes on threads
of its own. xllamacpp brings llama.cpp as a wheel for every platform, so there is nothing to compile.

Stopping it is the hard part. Its destructor waits, holding the GIL, until every connection has come
to an end; a program that exits with an answer half read would hang in it. Left to the exit of the
process, the same threads crash now and then, because they outlive what they compute with. So at
exit we first cut the server's connections and then let it join its threads.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib
import os
import secrets
import socket
import stat
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from declarai_like.errors import ConfigurationError, MissingExtra
from declarai_like.providers._model_files import check_gguf

__all__ = ["EmbeddedServer", "compute_threads", "embedded_server"]

# Every open connection takes one of the server's threads, also while its request waits for a slot.
_HTTP_THREADS = 32


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A server of this process with one model loaded, ready to be called until the process ends.

    `base_url` is that of an OpenAI-compatible service, and wants `api_key`.
    """

    model: Path
    base_url: str
    api_key: str = field(repr=False)


class _Options(NamedTuple):
    """What tells one server from another."""

    model: Path
    n_ctx: int
    n_parallel: int
    n_gpu_layers: int


@dataclass(frozen=True, slots=True)
class _Running:
    """A server with the native object that owns its threads."""

    server: EmbeddedServer
    native: Any
    port: int


class _Process:
    """The servers of this process: each is started once, and none is taken over by a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[_Options, _Running] = {}

    def server(self, options: _Options) -> EmbeddedServer:
        with self._lock:
            if options not in self._running:
                self._running[options] = _start(options)
            return self._running[options].server

    def stop(self) -> None:
        """Cut the servers' connections and join their threads.

        Where connections cannot be cut (Windows) both are left to the exit, which ends threads first.
        """
        with self._lock:
            while self._running:
                _, running = self._running.popitem()
                if _cut_connections(running.port):  # pragma: no branch - it is false on Windows only
                    ctypes.pythonapi.Py_DecRef(ctypes.py_object(running.native))

    def forget(self) -> None:
        """Start anew in a forked child: the parent's threads are not here, its lock may be held."""
        self._lock = threading.Lock()
        if self._running:  # pragma: no cover - only in a forked child, where the tests have no coverage
            self._running = {}
            atexit.unregister(self.stop)
            _leave_without_destructors()


_process = _Process()
atexit.register(_process.stop)
if sys.platform != "win32":  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_process.forget)


def embedded_server(model: Path, *, n_ctx: int = 4096, n_parallel: int = 2, n_gpu_layers: int = -1) -> EmbeddedServer:
    """Start the server for this model and these options, or return the one that already runs.

    `n_ctx` is how many tokens one conversation may have, `n_parallel` how many are computed at the
    same time (and the most that `n=` may ask for); memory grows with both. `n_gpu_layers` is how
    much of the model goes to a GPU, -1 for what fits. Starting takes a second for a small model,
    during which no other thread of the process runs.

    Raises `MissingExtra` without xllamacpp, `ConfigurationError` if the file cannot be loaded.
    """
    return _process.server(_Options(model.resolve(), n_ctx, n_parallel, n_gpu_layers))


def _start(options: _Options) -> _Running:
    check_gguf(options.model)
    llama = _xllamacpp()
    api_key = secrets.token_urlsafe(32)
    try:
        native = llama.Server(_params(llama, options, api_key))
    except (RuntimeError, ValueError) as exc:
        raise ConfigurationError(
            f"llama.cpp ({llama.__version__}) cannot load {str(options.model)!r}: it is cut short, holds no language "
            "model, or one of a kind that is newer; fetch it again, upgrade xllamacpp, or give another file"
        ) from exc
    # A server that is dropped before its loop has begun waits for ever: see that the loop answers.
    native.handle_metrics()
    # From here on only `stop` lets the native server go: not the end of a module, nor a forked child.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(native))
    address: str = native.listening_address
    return _Running(EmbeddedServer(options.model, f"{address}/v1", api_key), native, int(address.rpartition(":")[2]))


def _params(llama: Any, options: _Options, api_key: str) -> Any:
    params = llama.CommonParams()
    params.model.path = str(options.model)
    params.model_alias = {options.model.stem}
    params.n_ctx = options.n_ctx * options.n_parallel  # it divides this among its slots
    params.n_parallel = options.n_parallel
    params.n_gpu_layers = options.n_gpu_layers
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [api_key]
    params.n_threads_http = _HTTP_THREADS
    # Its threads wait for each other in busy loops, which on a busy machine take the time from the one that works.
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = compute_threads(_usable_cores())
    params.verbosity = 0  # its log goes to stderr, which belongs to the user
    params.cache_ram_mib = 0  # copies of old prompts: up to 8 GB by default
    params.ui = params.endpoint_slots = False
    params.endpoint_metrics = True
    params.cors_origins = ""  # no web page may call it
    return params


def compute_threads(cores: int) -> int:
    """How many threads compute: half of the cores.

    All of them would be as slow as the one that must share its core: on two busy cores two threads take five times as
    long as one.
    """
    return max(1, cores // 2)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover - macOS and Windows


def _xllamacpp() -> Any:
    try:
        return importlib.import_module("xllamacpp")
    except ImportError as exc:
        raise MissingExtra(f'the embedded model needs xllamacpp ({exc}): pip install "declarai-like[local]"') from exc


def _leave_without_destructors() -> None:  # pragma: no cover - only in a forked child, as above
    """Let this forked child exit at once: llama.cpp's destructors would wait for the parent's threads.

    Python has finished by then, its exit status is kept. Children of `multiprocessing` leave so anyway.
    """
    library = ctypes.CDLL(None)
    with contextlib.suppress(AttributeError):  # an extension of glibc
        library.on_exit(library["_exit"], None)


def _cut_connections(port: int, descriptors: Path = Path("/dev/fd")) -> bool:
    """Shut the listening socket and both ends of each connection; whether that is possible here."""
    try:
        ours = [int(path.name) for path in descriptors.iterdir()]
    except OSError:
        return False
    for descriptor in ours:
        with contextlib.suppress(OSError):  # closed meanwhile, or (macOS) a listening socket
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                with socket.socket(fileno=os.dup(descriptor)) as copy:
                    if ("127.0.0.1", port) in _addresses(copy):
                        copy.shutdown(socket.SHUT_RDWR)
    return True


def _addresses(connection: socket.socket) -> set[tuple[str, int]]:
    """The addresses of both ends, or of the only one."""
    if connection.family != socket.AF_INET:
        return set()
    addresses = {connection.getsockname()}
    with contextlib.suppress(OSError):  # not connected: it listens
        addresses.add(connection.getpeername())
    return addresses
