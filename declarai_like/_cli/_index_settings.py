"""Which package indexes this user installs from: what pip and uv have been told.

Many users sit behind a mirror, and the environment may have been made by uv and hold no pip. So we
ask neither program but read what both read: environment variables and configuration files.
"""

from __future__ import annotations

import configparser
import contextlib
import importlib
import itertools
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["IndexSettings", "index_settings"]

DEFAULT_INDEX = "https://pypi.org/simple"


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Where to look for a wheel, in this order, and the extra certificates to trust, if any.

    `indexes` are base addresses of the simple API (PEP 503), `find_links` directories or pages. Any
    of them may not exist, and may hold a password: show them to nobody.
    """

    indexes: tuple[str, ...]
    find_links: tuple[str, ...] = ()
    certificates: str | None = None


def index_settings(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> IndexSettings:
    """Read the user's settings; the public index is asked only if no other one replaces it."""
    pip = _pip_options(environ, platform)
    uv = _uv_options(environ, platform)
    own = [*uv.get("index-url", ()), *pip.get("index-url", ())]
    extra = [*uv.get("extra-index-url", ()), *pip.get("extra-index-url", ())]
    closed = pip.get("no-index", ["0"])[0].lower() in ("1", "true", "yes", "on")
    return IndexSettings(
        indexes=() if closed else tuple(dict.fromkeys([*(own or [DEFAULT_INDEX]), *extra])),
        find_links=tuple(dict.fromkeys([*uv.get("find-links", ()), *pip.get("find-links", ())])),
        certificates=next(iter(pip.get("cert", ())), None),
    )


def _pip_options(environ: Mapping[str, str], platform: str) -> dict[str, list[str]]:
    """Merge pip's files and variables: later files override earlier ones, variables override all."""
    options: dict[str, list[str]] = {}
    for path in _pip_files(environ, platform):
        parser = configparser.RawConfigParser()
        with contextlib.suppress(configparser.Error, UnicodeError, OSError):
            parser.read(path, encoding="utf-8")
        for section in ("global", "install", "download"):
            if parser.has_section(section):
                options |= {key.replace("_", "-"): value.split() for key, value in parser.items(section)}
    for name, value in environ.items():
        if name.startswith("PIP_"):
            options[name[4:].lower().replace("_", "-")] = value.split()
    return {key: values for key, values in options.items() if values}


def _pip_files(environ: Mapping[str, str], platform: str) -> Iterator[Path]:
    """List pip's files in its order; see https://pip.pypa.io/en/stable/topics/configuration/."""
    chosen = environ.get("PIP_CONFIG_FILE", "")
    if chosen == os.devnull:
        return
    name = "pip.ini" if platform == "win32" else "pip.conf"
    system, user = _config_directories(environ, platform)
    yield from (directory / "pip" / name for directory in system)
    yield Path("/etc") / name
    yield Path("~").expanduser() / ("pip" if platform == "win32" else ".pip") / name
    yield from (directory / "pip" / name for directory in user)
    yield Path(sys.prefix) / name
    if chosen:
        yield Path(chosen)


def _uv_options(environ: Mapping[str, str], platform: str) -> dict[str, list[str]]:
    """Merge uv's files and variables, under pip's names for the same things."""
    system, user = _config_directories(environ, platform)
    files = [directory / "uv" / "uv.toml" for directory in (Path("/etc"), *system, *user)]
    if chosen := environ.get("UV_CONFIG_FILE"):
        files = [Path(chosen)]
    options: dict[str, list[str]] = {}
    for path in files if "UV_NO_CONFIG" not in environ else ():
        content = _toml(path)
        options |= _uv_table(content.get("pip") or {}) | _uv_table(content)
    variables = {
        "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
        "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
        "find-links": ("UV_FIND_LINKS",),
    }
    for key, names in variables.items():
        entries = itertools.chain.from_iterable(environ.get(name, "").replace(",", " ").split() for name in names)
        if values := [_without_name(entry) for entry in entries]:
            options[key] = values
    return options


def _uv_table(table: Mapping[str, Any]) -> dict[str, list[str]]:
    """Read the settings of one uv table, in which `[[index]]` stands beside the older spellings."""
    tables = [index for index in table.get("index", ()) if "url" in index]
    options = {
        "index-url": [index["url"] for index in tables if index.get("default")] + [table.get("index-url", "")],
        "extra-index-url": [index["url"] for index in tables if not index.get("default")]
        + list(table.get("extra-index-url", ())),
        "find-links": list(table.get("find-links", ())),
    }
    return {key: wanted for key, values in options.items() if (wanted := [value for value in values if value])}


def _toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; what cannot be read (by Python 3.10: any) counts as empty."""
    with contextlib.suppress(ModuleNotFoundError, OSError, ValueError):
        tomllib: Any = importlib.import_module("tomllib")
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return content
    return {}


def _config_directories(environ: Mapping[str, str], platform: str) -> tuple[list[Path], list[Path]]:
    """Find the system's and the user's directories for settings, weakest first."""
    if platform == "win32":
        return [Path(environ.get("PROGRAMDATA", "C:/ProgramData"))], [Path(environ.get("APPDATA", "~")).expanduser()]
    home = Path(environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    if platform == "darwin":
        library = Path("/Library/Application Support")
        return [library], [home, Path("~").expanduser() / library.relative_to("/")]
    system = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    return [Path(directory) for directory in reversed(system)], [home]


def _without_name(entry: str) -> str:
    """Take the address from uv's `name=address`."""
    name, separator, address = entry.partition("=")
    return address if separator and name.replace("-", "").replace("_", "").isalnum() else entry
