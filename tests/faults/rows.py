"""The fault table: each row a fault, and what a caller sees of it. The tests carry its number: `test_row_07_...`."""

from typing import NamedTuple


class Row(NamedTuple):
    number: int
    group: str
    fault: str
    seen: str


_N, _P, _M, _C, _H = "Network", "Protocol", "The model's words", "Processes, threads, loops", "Hostile input"

ROWS = (
    Row(1, _N, "The connection is refused", "`ProviderConnectionError` with `phase=\"connect\"` and every try in `attempts`, within the call's time; nothing enters a history"),
    Row(2, _N, "The host's name is not known", "the same; the message names the address and never the key"),
    Row(3, _N, "The connection is never made", '`ProviderTimeout` with `phase="connect"` after `connect_timeout`, which is not the time for the answer'),
    Row(4, _N, "The server takes the request and never answers", "`ProviderTimeout` when the call's one `timeout` is over, however many retries are left"),
    Row(5, _N, "The first token never comes", '`ProviderTimeout` with `phase="first_chunk"`; a retry or a fallback takes over'),
    Row(6, _N, "The stream stalls", "`StreamInterrupted` after `idle_timeout`, with all that had come in `response`; the connection is closed"),
    Row(7, _N, "The stream stalls behind keep-alive comments", "the same: only parsed chunks count"),
    Row(8, _N, "The connection is reset in the middle", "`StreamInterrupted` with text and usage so far; never asked again unseen; the history is as before, or has the turn marked with `keep_partial`"),
    Row(9, _N, "The stream ends cleanly but too early", "`StreamInterrupted`, also where what came reads as the declared type"),
    Row(10, _N, "The body ends without its end", "the same as row 8"),
    Row(11, _N, "The certificate is not trusted", "`ProviderConnectionError` that says so, a bounded number of tries, nothing sent in the clear"),
    Row(12, _N, "The server redirects to another host", "`BadRequestError` that names the place; neither prompt nor key goes there"),
    Row(13, _N, "All connections are in use", "`ProviderTimeout` that says so; calls inside of streams do not wait for ever"),
    Row(14, _N, "The server's process is stopped, and goes on later", "a timeout as in rows 4 and 6; its late answer is not taken for the next call's"),
    Row(15, _P, "429 with `Retry-After`", "the wait is kept, but never beyond the call's time"),
    Row(16, _P, "429 that asks for minutes", "`RateLimited` at once, `retry_after` has the seconds"),
    Row(17, _P, "429 because the quota is used up", "`RateLimited` with the reason; not asked again"),
    Row(18, _P, "500, 502, 503, 529", "asked again a bounded number of times with jitter; `attempts` has them; `x-should-retry` is obeyed"),
    Row(19, _P, "400, 401, 403, 404, 422", "a typed error after one request, without the key; `x-should-retry` is obeyed"),
    Row(20, _P, "The prompt is longer than the model's context", "`BadRequestError` with the provider's `code`; a middleware can send a shorter one"),
    Row(21, _P, "An error inside of the stream", "a typed error with what had come; asked again only if it came before the first chunk"),
    Row(22, _P, "An event that is no JSON", "`InvalidResponse` with what had come and the beginning of the event"),
    Row(23, _P, "Characters split between reads, a byte order mark, CRLF, bad UTF-8", "the same text wherever it is split; bad bytes become U+FFFD, or `InvalidResponse` where they break the JSON"),
    Row(24, _P, "200 with a web page, or with nothing", "`InvalidResponse` or `EmptyResponse` that shows the beginning of what came"),
    Row(25, _P, "A giant line, a stream without an end, also in an error's body", "`InvalidResponse` or the error's own class; memory stays bounded"),
    Row(26, _P, "A body that unpacks to gigabytes", "`InvalidResponse`; memory stays bounded"),
    Row(27, _P, "Usage missing, repeated, or in a chunk without choices", "`None` when it is unknown, never 0; the last one counts"),
    Row(28, _P, "Fields null, absent or unknown", "ignored"),
    Row(29, _M, "Cut at the token limit in a typed task", "`OutputTruncated` with the raw text and the readable part; not asked again"),
    Row(30, _M, "Refused, or filtered", "`ModelRefusal`, `ContentFiltered`; not asked again"),
    Row(31, _M, "Not JSON, fenced, or with words around it", "fences and words are read through; else at most `retries` more questions and an `OutputError` with every answer"),
    Row(32, _M, "JSON of the wrong type, extra or doubled keys, NaN, huge integers", "pydantic's rules and the named repairs only; the error names the field"),
    Row(33, _M, "A number cut between its digits", "no number before it has ended; the last value is that of the whole text"),
    Row(34, _M, "JSON nested a hundred thousand deep", "a typed error; neither `RecursionError` nor a crash"),
    Row(43, _C, "The reader leaves a stream, or forgets it", "the connection is closed at once; the history is as before; no warning"),
    Row(44, _C, "The task is cancelled, Ctrl-C, `wait_for`", "the cancellation goes through, everything is released; what had come is in `llm_response`"),
    Row(45, _C, "A blocking call in a loop, one client in many loops, a fork", "all of them work; no socket is shared"),
    Row(46, _C, "One task in many threads and many streams", "nothing is mixed up, nothing is left open"),
    Row(48, _H, "Templates, SQL, paths, line breaks, NUL, special tokens in values; a prompt of 100 MB", "values stay values; files stay where they were told; what is too long is refused before it is sent"),
)  # fmt: skip
