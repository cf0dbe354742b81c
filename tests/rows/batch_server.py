"""Loopbacks of OpenAI's files and batches, and of Anthropic's batches: shuffled, partly failed, expired, lost."""

import json
import random
from datetime import datetime, timezone

from declarai_like.testing import Reply, bytes_reply, error_reply, json_reply, text_reply

LOST = Reply(end="reset", writes=[b""])


def length_of(body):
    """Give the length of the message that a request asks about."""
    content = body["messages"][-1]["content"]
    text = content if isinstance(content, str) else content[-1]["text"]
    return text.partition("message: ")[2].strip()


class Batches:
    """What both have: jobs that are over after so many polls; `fate` says what becomes of a message."""

    def __init__(self, *, polls=1, fate=None):
        self.polls = polls
        self.fate = fate or {}
        self.lose_next_create = False
        self.refuse_next_create = False
        self.forgets_creates = False
        self.jobs = {}
        self.sent = []

    def lose(self):
        lost, self.lose_next_create = self.lose_next_create, False
        return lost

    def add(self, lines, **facts):
        if self.forgets_creates:
            return {"id": "job_never"}
        job = {"id": f"job_{len(self.jobs)}", "lines": lines, "polls": 0, "cancelled": False, **facts}
        self.jobs[job["id"]] = job
        self.sent += [line["custom_id"] for line in lines]
        return job

    def poll(self, job):
        job["polls"] += 1
        return job["cancelled"] or job["polls"] >= self.polls


class OpenAIModel(Batches):
    """OpenAI's."""

    root = "/v1/"
    url = "/v1/chat/completions"

    def __init__(self, **options):
        super().__init__(**options)
        self.files = {}
        self.expires = []

    def check(self, request):
        assert request.headers["authorization"] == "Bearer k"

    def __call__(self, request):  # noqa: PLR0911 - a table of routes
        self.check(request)
        parts = request.path.partition("?")[0].removeprefix(self.root).split("/")
        if parts == ["files"]:
            return json_reply({"id": self.keep(request.raw.split(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0])})
        if parts[0] == "files":
            return bytes_reply(self.files[parts[1]], content_type="application/octet-stream", framing="length")
        if parts == ["chat", "completions"]:
            return text_reply(str(len(length_of(request.body))))
        if parts == ["batches"] and request.method == "POST":
            return self.create(request.body)
        if parts == ["batches"]:
            return self.listed(request.path)
        if parts[-1] == "cancel":
            self.jobs[parts[1]]["cancelled"] = True
            return json_reply({"id": parts[1]})
        return json_reply(self.status(self.jobs[parts[1]]))

    def keep(self, content):
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return name

    def create(self, body):
        if self.refuse_next_create:
            return error_reply(400, "no more batches")
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        assert {line["url"] for line in lines} == {body["endpoint"]} == {self.url}
        self.expires.append(body.get("output_expires_after"))
        job = self.add(lines, metadata=body["metadata"], created_at=datetime.now(tz=timezone.utc).timestamp())
        return LOST if self.lose() else json_reply({"id": job["id"]})

    def listed(self, path):
        """Two at a time, the newest first."""
        jobs = [{"id": f"other_{number}", "created_at": 2e9} for number in range(2)] + list(self.jobs.values())[::-1]
        ids = [job["id"] for job in jobs]
        after = path.partition("after=")[2].partition("&")[0]
        start = ids.index(after) + 1 if after else 0
        shown = [{name: job.get(name) for name in ("id", "metadata", "created_at")} for job in jobs[start : start + 2]]
        return json_reply({"data": shown, "has_more": start + 2 < len(jobs)})

    def status(self, job):
        told = {"id": job["id"], "request_counts": {"total": len(job["lines"]), "completed": 0, "failed": 0}}
        if not self.poll(job):
            return {**told, "status": "in_progress"}
        out, err = [], []
        for line in random.Random(1).sample(job["lines"], len(job["lines"])):  # noqa: S311 - no secret
            self.answer(line, out, err)
        told["request_counts"]["completed"] = len(out)
        told |= {"status": "cancelled" if job["cancelled"] else "expired" if self.fate else "completed"}
        for name, lines in (("output_file_id", out), ("error_file_id", err)):
            if lines:
                told[name] = self.keep("\n".join(map(json.dumps, lines)).encode())
        return told

    def answer(self, line, out, err):
        text = length_of(line["body"])
        fate = self.fate.get(text)
        told = {"custom_id": line["custom_id"], "response": None, "error": None}
        if fate == "expired":
            err.append({**told, "error": {"code": "batch_expired", "message": "expired"}})
        elif fate == "refused":
            err.append({**told, "response": {"status_code": 400, "body": {"error": {"message": "no", "code": "bad"}}}})
        elif fate != "forgotten":
            body = json.loads(text_reply("many" if fate == "wrong" else str(len(text)), usage=USAGE).body)
            out.append({**told, "response": {"status_code": 200, "body": body}})


USAGE = {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8}


class AzureModel(OpenAIModel):
    """Azure's: the same below another address, and lines that name neither a version nor a deployment."""

    root = "/openai/"
    url = "/chat/completions"

    def __call__(self, request):
        if "/deployments/" in request.path:
            return text_reply(str(len(length_of(request.body))))
        return super().__call__(request)

    def check(self, request):
        assert request.headers["api-key"] == "k"
        assert "api-version=2024-10-21" in request.path


class AnthropicModel(Batches):
    """Anthropic's."""

    def __call__(self, request):
        assert request.headers["x-api-key"] == "k"
        assert request.headers["anthropic-version"]
        parts = request.path.partition("?")[0].removeprefix("/v1/messages/batches").split("/")[1:]
        if not parts and request.method == "POST":
            if self.refuse_next_create:
                return error_reply(400, "no more batches")
            lines = [{**line, "body": line["params"]} for line in request.body["requests"]]
            job = self.add(lines, created_at=datetime.now(tz=timezone.utc).isoformat().replace("+00:00", "Z"))
            return LOST if self.lose() else json_reply({"id": job["id"]})
        if not parts:
            others = [
                {"id": "other", "created_at": "2001-01-01T00:00:00Z", "request_counts": {"processing": 3}},
                {"id": "odd", "created_at": "soon", "request_counts": {"processing": 3}},
            ]
            return json_reply({"data": [*others, *map(self.shown, self.jobs.values())]})
        job = self.jobs[parts[0]]
        if parts[-1] == "cancel":
            job["cancelled"] = True
            return json_reply({"id": job["id"]})
        if parts[-1] == "results":
            lines = random.Random(1).sample(job["lines"], len(job["lines"]))  # noqa: S311 - no secret
            told = [
                json.dumps(self.result(line)) for line in lines if self.fate.get(length_of(line["body"])) != "forgotten"
            ]
            return bytes_reply("\n\n".join(told).encode(), content_type="application/x-jsonl", framing="length")
        status = "ended" if self.poll(job) else "in_progress"
        return json_reply({**self.shown(job), "processing_status": status})

    def shown(self, job):
        counts = {"processing": len(job["lines"]), "succeeded": 0}
        return {"id": job["id"], "created_at": job["created_at"], "request_counts": counts}

    def result(self, line):
        text = length_of(line["body"])
        fate = self.fate.get(text)
        results = {
            "expired": {"type": "expired"},
            "refused": {
                "type": "errored",
                "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}},
            },
        }
        message = {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "claude",
            "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "many" if fate == "wrong" else str(len(text))}],
            "usage": {"input_tokens": 7, "output_tokens": 1},
        }
        return {
            "custom_id": line["custom_id"],
            "result": results.get(fate) or {"type": "succeeded", "message": message},
        }
