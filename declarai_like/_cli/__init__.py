"""The command `declarai-like`: call tasks, talk to chats, look at prompts, lock, evaluate and serve them.

Everything works with the standard library; rich, from the extra `cli`, adds colours and a better bar.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from declarai_like._cli._parser import argument_parser
from declarai_like.errors import DeclaraiError
from declarai_like.providers._model_files import MODELS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping, Sequence

    from declarai_like.providers._model_files import Model

__all__ = ["main"]

_COMMANDS = {
    "ask": "_ask:ask",
    "chat": "_chat:talk",
    "check": "_lock_commands:check_prompts",
    "completions": "_completions:print_completions",
    "eval": "_eval:evaluate_tasks",
    "logs": "_logs:show_logs",
    "lock": "_lock_commands:lock_prompts",
    "map": "_map:map_file",
    "pull": "_pull:pull",
    "run": "_run:run_task",
    "serve": "_serve:serve_modules",
    "show": "_show:show",
}
"""Where each command is; its arguments have the names of the function's parameters."""

_FAILED, _MISUSED, _INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None, *, models: Mapping[str, Model] = MODELS) -> int:
    """Run one command and return the exit code: 0, 1 for a failure, 2 for a misuse.

    A failure is one message on stderr, never a traceback. `models` are those that can be fetched.
    """
    arguments = argument_parser().parse_args(argv)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a prompt may not fit the terminal's encoding
    try:
        return _perform(arguments, models)
    except DeclaraiError as exc:
        return _fail(exc.message, _FAILED)
    except TypeError as exc:
        return _fail(str(exc), _MISUSED)
    except KeyboardInterrupt:
        return _fail("interrupted", _INTERRUPTED)


def _perform(arguments: Namespace, models: Mapping[str, Model]) -> int:
    """Run the command; each is imported when it is asked for. What it returns is the exit code, nothing is 0."""
    options = vars(arguments)
    command = options.pop("command")
    if command == "pull":
        options["models"] = models
    return _load(command)(**options) or 0


def _load(command: str) -> Callable[..., int | None]:
    module, _, function = _COMMANDS[command].partition(":")
    found: Callable[..., int | None] = getattr(import_module(f"declarai_like._cli.{module}"), function)
    return found


def _fail(message: str, code: int) -> int:
    print(f"declarai-like: {message}", file=sys.stderr)
    return code
