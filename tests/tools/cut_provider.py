"""A provider whose answer is cut, in any wire format."""

from declarai_like import errors
from declarai_like._wire.codecs.anthropic import MessageDecoder
from declarai_like._wire.codecs.chat import ChunkDecoder
from declarai_like._wire.codecs.google import GenerationDecoder
from declarai_like._wire.codecs.responses import ResponseDecoder

DECODERS = {
    "chat": ChunkDecoder,
    "anthropic": MessageDecoder,
    "responses": ResponseDecoder,
    "google": GenerationDecoder,
}


def chunks_of(kind, body):
    decoder = DECODERS[kind]()
    yield from decoder.feed(body)
    if not decoder.done:
        yield from decoder.close()


class CutProvider:
    """Streams the first bytes of an answer, and then nothing more."""

    name = model = "cut"
    streaming = True

    def __init__(self, kind, body):
        self.kind = kind
        self.body = body
        self.asked = 0

    def encode(self, request):
        return {}

    def adapts(self, error, request):
        return False

    def send(self, request):
        raise NotImplementedError

    asend = astream = send

    def stream(self, request):
        self.asked += 1
        if self.asked > 1:
            raise errors.ServerError("the results have come this far")
        yield from chunks_of(self.kind, self.body)
