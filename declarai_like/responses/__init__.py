"""What comes back from a call: the answer, whole or at one step of its stream."""

from __future__ import annotations

from declarai_like._values.outcomes import Outcome
from declarai_like.responses._answers import LLMResponse
from declarai_like.responses._fields import Parsed
from declarai_like.responses._results import Attempt, Result

__all__ = ["Attempt", "LLMResponse", "Outcome", "Parsed", "Result"]

for _value in (Attempt, LLMResponse, Parsed, Result):  # where a value is defined is no concern of who reads its name
    _value.__module__ = __name__
