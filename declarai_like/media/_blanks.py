"""What may be shown of data that holds media: not their bytes."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["blank_bytes"]

_PACKED = re.compile(r"[A-Za-z0-9+/_-]{120,}={0,2}")


def blank_bytes(value: Any) -> Any:
    """Put a remark in the place of each long run of base 64, in texts and in plain data.

    >>> blank_bytes({"url": "data:image/png;base64," + "A" * 400})
    {'url': 'data:image/png;base64,<400 characters of base 64>'}
    """
    if isinstance(value, str):
        return _PACKED.sub(lambda found: f"<{len(found[0])} characters of base 64>", value)
    if isinstance(value, dict):
        return {name: blank_bytes(item) for name, item in value.items()}
    if type(value) in {list, tuple}:
        return type(value)(map(blank_bytes, value))
    return value
