"""Names of a package that are imported when they are first used."""

from __future__ import annotations

TYPE_CHECKING = False  # importing it from `typing` would cost most of `import declarai_like`
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["import_on_use"]


def import_on_use(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a package: `modules` has for each name the module below the package that has it."""

    def import_name(name: str) -> Any:
        from importlib import import_module

        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return import_name
