"""Every error that declarai_like raises on purpose.

    DeclaraiError
    ├── DefinitionError              the code: a task or chat cannot be declared like this
    ├── ConfigurationError           the setup: a key, a model, a provider is missing or wrong
    │   └── MissingExtra             an optional dependency is not installed (also an ImportError)
    ├── ArgumentError                the call: an argument cannot be put into the prompt (also a TypeError)
    ├── MediaError                   the call: a file is not what it should be (also a ValueError)
    ├── LimitExceeded                your own limit: of tokens, requests, sizes or concurrency
    │   └── BudgetReached            what calls may use together, as `limits(...)` says
    ├── ProviderError                the other side: it refused, failed, or went away
    │   ├── ProviderConnectionError  it could not be reached
    │   ├── ProviderTimeout          it did not answer in time
    │   ├── AuthenticationError      it did not accept the key (401, 403)
    │   ├── NotFoundError            it knows no such model or address (404)
    │   ├── BadRequestError          it did not accept the request (other 4xx)
    │   ├── RateLimited              too many requests, or no quota left (429)
    │   ├── ServerError              it failed by itself (5xx)
    │   ├── InvalidResponse          what it sent is not a model's answer
    │   │   └── EmptyResponse        it sent nothing at all
    │   └── StreamInterrupted        the stream ended before the answer did
    ├── OutputError                  the model's words: they are not the declared type
    │   ├── OutputTruncated          the answer was cut at the token limit
    │   ├── ModelRefusal             the model declined
    │   ├── ContentFiltered          the provider's filter cut the answer
    │   └── ToolArgumentsError       a strict tool call's arguments are not what its schema says
    ├── HistoryError                 the store: a conversation could not be read or written
    │   └── HistoryWriteError        the answer came but could not be stored; it is not lost
    ├── CheckpointMismatch           many rows: the file belongs to another task, prompt, model or type
    ├── CheckpointBusy               many rows: somebody else writes the file just now
    ├── TooManyErrors                many rows: more of them failed than may
    ├── ToolError                    a tool's own words to the model, raised by the tool
    ├── ToolServerError              a server of tools: it cannot be reached, or its tools have changed
    ├── ToolFailed                   a tool: it cannot go on, or it failed too often in a row
    └── RunError                     a call with tools, as it is kept in a run store
        ├── ApprovalRequired         tool calls wait for a decision
        ├── InputNeeded              tools have asked the user something
        ├── OutcomeUnknown           a tool began, and nobody knows how it ended
        ├── RunBusy                  somebody else goes on with this run just now
        ├── RunDiverged              what is to go on is not what was begun
        └── TurnPending              a chat's turn waits for decisions

The class says whose fault it was; the message says what was expected, what came, and what to do. An error of another
library that lies beneath is the attribute `cause`: it is not printed, so that our sentence is what one reads.
Errors can be pickled, and none of them ever holds a key.
"""

from __future__ import annotations

from declarai_like.errors._base import (
    ArgumentError,
    BudgetReached,
    ConfigurationError,
    DeclaraiError,
    DefinitionError,
    LimitExceeded,
    MediaError,
    MissingExtra,
)
from declarai_like.errors._base import (
    CallError as CallError,
)
from declarai_like.errors._history import HistoryError, HistoryWriteError
from declarai_like.errors._output import ContentFiltered, ModelRefusal, OutputError, OutputTruncated, ToolArgumentsError
from declarai_like.errors._provider import (
    AuthenticationError,
    BadRequestError,
    EmptyResponse,
    InvalidResponse,
    NotFoundError,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    ServerError,
    StreamInterrupted,
)
from declarai_like.errors._rows import CheckpointBusy, CheckpointMismatch, TooManyErrors
from declarai_like.errors._tools import (
    ApprovalRequired,
    InputNeeded,
    OutcomeUnknown,
    RunBusy,
    RunDiverged,
    RunError,
    ToolError,
    ToolFailed,
    ToolServerError,
    TurnPending,
)

__all__ = [
    "ApprovalRequired",
    "ArgumentError",
    "AuthenticationError",
    "BadRequestError",
    "BudgetReached",
    "CheckpointBusy",
    "CheckpointMismatch",
    "ConfigurationError",
    "ContentFiltered",
    "DeclaraiError",
    "DefinitionError",
    "EmptyResponse",
    "HistoryError",
    "HistoryWriteError",
    "InputNeeded",
    "InvalidResponse",
    "LimitExceeded",
    "MediaError",
    "MissingExtra",
    "ModelRefusal",
    "NotFoundError",
    "OutcomeUnknown",
    "OutputError",
    "OutputTruncated",
    "ProviderConnectionError",
    "ProviderError",
    "ProviderTimeout",
    "RateLimited",
    "RunBusy",
    "RunDiverged",
    "RunError",
    "ServerError",
    "StreamInterrupted",
    "TooManyErrors",
    "ToolArgumentsError",
    "ToolError",
    "ToolFailed",
    "ToolServerError",
    "TurnPending",
]

for _name in (*__all__, "CallError"):  # where an error is defined is no concern of who reads a traceback
    globals()[_name].__module__ = __name__
