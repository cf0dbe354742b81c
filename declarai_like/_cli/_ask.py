"""`declarai-like ask`: ask a model something, without a program."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from declarai_like._cli._following import as_json, print_stream, response_data
from declarai_like._cli._models import read_model
from declarai_like.errors import ConfigurationError
from declarai_like.messages import Message, MessageRole

if TYPE_CHECKING:
    from declarai_like._declarai import Declarai

__all__ = ["ask"]


def ask(question: str, *, model: str = "local", system: str | None = None, as_data: bool = False) -> None:
    """Ask a model and print its answer as it comes; `-` reads the question from stdin.

    `as_data` prints the whole answer as one JSON object. Raises `ConfigurationError` for a model that is not named
    with its provider, and the errors of the call.
    """
    llm = _provider(model)
    text = sys.stdin.read() if question == "-" else question
    if not text.strip():
        raise ConfigurationError("there is nothing to ask: the question is empty")
    messages = [*([Message(system, MessageRole.system)] if system else []), Message(text)]
    if as_data:
        print(as_json(response_data(llm.send(messages))))
    else:
        print_stream(llm.stream(messages))


def _provider(model: str) -> Declarai:
    llm = read_model(model)
    if isinstance(llm, str):
        raise ConfigurationError(f"which provider has {model!r}? Name it before a colon, as in openai:{model}")
    return llm
