"""The models that can be asked, each behind the same protocol."""

from declarai_like.requests import Prefix

__all__ = ["Prefix"]
