"""The command `declarai-like`: fetch the embedded model, look at prompts, lock them, evaluate them, serve them.

Everything works with the standard library; rich, from the extra `cli`, adds colours and a better bar.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from declarai_like._cli._parser import argument_parser
from declarai_like.errors import DeclaraiError
from declarai_like.providers._model_files import MODELS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from declarai_like.providers._model_files import Model

__all__ = ["main"]

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
    """Run the command; each is imported when it is asked for."""
    if arguments.command == "pull":
        from declarai_like._cli._pull import pull

        pull(arguments.name, models)
    elif arguments.command == "show":
        from declarai_like._cli._show import show

        show(arguments.target, arguments.arg, as_json=arguments.json, as_request=arguments.request)
    elif arguments.command == "eval":
        from declarai_like._cli._eval import Settings, evaluate_tasks

        options = {name: value for name, value in vars(arguments).items() if name not in ("command", "modules")}
        return evaluate_tasks(arguments.modules, Settings(**options))
    elif arguments.command == "serve":
        from declarai_like._cli import _serve

        options = {name: value for name, value in vars(arguments).items() if name not in ("command", "modules")}
        _serve.serve_modules(arguments.modules, _serve.Settings(**options))
    else:
        from declarai_like._cli._lock_commands import check_prompts, lock_prompts

        if arguments.command == "check":
            return check_prompts(arguments.modules, arguments.lock_file, update=arguments.update)
        lock_prompts(arguments.modules, arguments.lock_file)
    return 0


def _fail(message: str, code: int) -> int:
    print(f"declarai-like: {message}", file=sys.stderr)
    return code
