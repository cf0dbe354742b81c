"""Media in recorded requests that the services accepted: ours are spelled alike.

`DECLARAI_RECORDINGS` names the folder of recordings; without it there is nothing to compare.
"""

import json
import os
from base64 import b64decode
from pathlib import Path

import pytest
from media.test_formats import spelled

from declarai_like import Document, File, Image

FOLDER = os.environ.get("DECLARAI_RECORDINGS")
OF_OURS = frozenset({"image_url", "input_audio", "file", "input_image", "input_file", "image", "document"})
CAMEL = {"file_data": "fileData", "file_uri": "fileUri", "mime_type": "mimeType", "inline_data": "inlineData"}


def parts_in(value):
    if isinstance(value, list):
        for each in value:
            yield from parts_in(each)
    elif isinstance(value, dict):
        if value.get("type") in OF_OURS or {"inlineData", "fileData", "file_data"} & value.keys():
            yield value
        else:
            for each in value.values():
                yield from parts_in(each)


def recorded():
    for path in sorted(Path(FOLDER).glob("*/*.json")) if FOLDER else ():
        told = json.loads(path.read_text("utf-8"))
        asked = told.get("body") if path.name.endswith(".request.json") else told.get("request")
        if told.get("status", 200) == 200:
            for at, part in enumerate(parts_in(asked)):
                yield pytest.param(path.parent.name, part, id=f"{path.stem}-{at}")


def camel(value):
    """Spell names and base 64 as Google's documentation does; the service takes both spellings."""
    if isinstance(value, dict):
        return {CAMEL.get(name, name): camel(each) for name, each in value.items()}
    return value if value.startswith("http") or "/" in value else value.replace("-", "+").replace("_", "/")


def of_google(part):
    place = part.get("fileData")
    if place is None:
        return Document(b64decode(part["inlineData"]["data"]))
    return File.url(place["fileUri"], media_type=place["mimeType"])


def of_anthropic(part):
    source = part["source"]
    if source["type"] == "url":
        return Image.url(source["url"])
    if source["type"] == "file":
        return File.id(source["file_id"], media_type="application/pdf")
    return Document(b64decode(source["data"]))


def of_openai(part):
    if "image_url" in part:
        return Image.url(part["image_url"]["url"])
    file = part.get("file", part)
    if "file_id" in file:
        return Document.id(file["file_id"])
    return Document(b64decode(file["file_data"].partition(",")[2]), name=file["filename"])


MADE_OF = {"google": of_google, "anthropic": of_anthropic, "chat": of_openai, "responses": of_openai}


@pytest.mark.skipif(not FOLDER, reason="no recordings: set DECLARAI_RECORDINGS to their folder")
@pytest.mark.parametrize(("name", "part"), list(recorded()))
def test_ours_are_spelled_as_what_a_service_has_accepted(name, part):
    part = {field: value for field, value in part.items() if value is not None}
    if name == "google":
        part = camel(part)
    assert spelled(name, MADE_OF[name](part))[0] == part
