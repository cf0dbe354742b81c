"""The limits of a served app."""

from __future__ import annotations

from dataclasses import dataclass, fields

from declarai_like.errors import ConfigurationError

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an app allows; the names are those of `serve.app`."""

    resume_seconds: float = 10.0
    heartbeat_seconds: float = 15.0
    client_seconds: float = 30.0
    max_body_bytes: int = 1_000_000
    max_upload_bytes: int = 20 * 1024 * 1024
    max_concurrency: int = 100
    max_sessions: int = 1000
    max_tokens: int | None = None
    origins: tuple[str, ...] = ()
    """The foreign pages that may ask."""

    def __post_init__(self) -> None:
        """Raise `ConfigurationError` for a limit that is none."""
        numbers = [field for field in fields(self) if field.name != "origins"]
        for field in numbers:
            value = getattr(self, field.name)
            if value is None and field.name == "max_tokens":
                continue
            kinds = (int, float) if field.name.endswith("_seconds") else (int,)
            if isinstance(value, bool) or not isinstance(value, kinds) or value != value:  # noqa: PLR0124 - only NaN is not itself
                raise ConfigurationError(f"expected {field.name} to be a number, got {value!r:.80}")
        for name in (field.name for field in numbers if field.name not in {"resume_seconds", "max_tokens"}):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"expected {name} to be above zero, got {getattr(self, name)!r}")
        if self.resume_seconds < 0:
            raise ConfigurationError(f"expected resume_seconds to be zero or more, got {self.resume_seconds!r}")
        if self.max_tokens is not None and self.max_tokens <= 0:
            raise ConfigurationError(f"expected max_tokens to be above zero or None, got {self.max_tokens!r}")
