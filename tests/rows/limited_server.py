"""A model behind true token buckets: requests and tokens a minute, refilled steadily, told in a vendor's headers."""

import threading
import time
from datetime import datetime, timedelta, timezone

from declarai_like.testing import error_reply, text_reply

ANSWER_TOKENS = 5


class Allowed:
    """A bucket: so much a minute, and so much of it at once."""

    def __init__(self, per_minute, burst_seconds):
        self.per_minute = per_minute
        self.rate = per_minute / 60
        self.capacity = self.level = max(1.0, self.rate * burst_seconds)
        self.at = time.monotonic()

    def refill(self):
        now = time.monotonic()
        self.level = min(self.capacity, self.level + (now - self.at) * self.rate)
        self.at = now

    def seconds_until(self, amount):
        return max(0.0, (amount - self.level) / self.rate)


class LimitedModel:
    """Answers as long as its buckets allow; it is the `default` of an `LLMServer`.

    `headers` is `"openai"`, `"anthropic"`, or `None` for a server that tells only how long to wait, or not even that.
    """

    def __init__(self, *, rpm=None, tpm=None, headers="openai", latency=0.02, burst_seconds=1.0, retry_after=True):
        limits = {"requests": rpm, "tokens": tpm}
        self.buckets = {name: Allowed(limit, burst_seconds) for name, limit in limits.items() if limit}
        self.headers = headers
        self.latency = latency
        self.retry_after = retry_after
        self.accepted, self.refused, self.tokens = 0, 0, 0
        self.began = self.ended = None
        self.lock = threading.Lock()

    def __call__(self, request):
        prompt = len(request.raw) // 4
        with self.lock:
            now = time.monotonic()
            self.began = self.began or now
            self.ended = now
            wants = {"requests": 1, "tokens": prompt + ANSWER_TOKENS}
            for bucket in self.buckets.values():
                bucket.refill()
            wait = max(bucket.seconds_until(wants[name]) for name, bucket in self.buckets.items())
            if wait > 0:
                self.refused += 1
            else:
                self.accepted += 1
                self.tokens += wants["tokens"]
                for name, bucket in self.buckets.items():
                    bucket.level -= wants[name]
            told = self.told()
        if wait > 0:
            told |= {"retry-after-ms": str(int(wait * 1000) + 1)} if self.retry_after else {}
            return error_reply(429, "too many requests", headers=told)
        time.sleep(self.latency)
        usage = {"prompt_tokens": prompt, "completion_tokens": ANSWER_TOKENS, "total_tokens": prompt + ANSWER_TOKENS}
        return text_reply("5", usage=usage, headers=told)

    def told(self):
        """Give the headers, as the vendor spells them."""
        headers = {}
        for name, bucket in self.buckets.items():
            reset = (bucket.capacity - bucket.level) / bucket.rate
            if self.headers == "openai":
                front = "x-ratelimit-{}-" + name
                values = bucket.per_minute, int(bucket.level), f"{reset * 1000:.0f}ms" if reset < 1 else f"{reset:.3f}s"
            elif self.headers == "anthropic":
                front = f"anthropic-ratelimit-{name}-{{}}"
                when = datetime.now(tz=timezone.utc) + timedelta(seconds=reset)
                values = bucket.per_minute, int(bucket.level), when.isoformat().replace("+00:00", "Z")
            else:
                continue
            headers |= {
                front.format(part): str(value)
                for part, value in zip(("limit", "remaining", "reset"), values, strict=True)
            }
        return headers

    @property
    def share_of_rate(self):
        """How much of what was allowed was used, of the bucket that allows least."""
        seconds = self.ended - self.began
        shares = []
        for name, bucket in self.buckets.items():
            amount = self.accepted if name == "requests" else self.tokens
            shares.append(amount / (bucket.capacity + bucket.rate * seconds))
        return max(shares)
