import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from declarai_like.middleware import telemetry
from declarai_like.testing import reply


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.mark.parametrize("content", [False, True])
def test_each_tool_has_a_span(ask, fake, exporter, content):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def add(a: int) -> int:
        return a + 1

    async def fails() -> str:
        raise ValueError("secret words")

    fake.enqueue(reply(calls=[("add", {"a": 1}, "x"), ("fails", {}, "y")]), "done")
    ask(ask.task(fake, tools=[add, fails], middlewares=[telemetry(content=content, tracer_provider=provider)]))
    spans = {
        span.attributes["gen_ai.tool.call.id"]: span
        for span in exporter.get_finished_spans()
        if span.name.startswith("execute_tool")
    }
    assert {span.name for span in spans.values()} == {"execute_tool add", "execute_tool fails"}
    assert ("gen_ai.tool.call.arguments" in spans["x"].attributes) is content
    assert spans["x"].attributes.get("gen_ai.tool.call.result") == ("2" if content else None)
    assert spans["y"].attributes["error.type"] == "ValueError"
    assert "secret words" not in str(spans["y"].attributes)
