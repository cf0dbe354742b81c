"""The thinking that stands in a model's text before its answer, parted from the answer while both arrive."""

from __future__ import annotations

import re

__all__ = ["ReasoningSplitter"]

_NAMES = "think|thinking|reasoning|thought"
_OPENER = re.compile(rf"<({_NAMES})>|\[THINK\]|◁think▷", re.IGNORECASE)
_CLOSER = re.compile(rf"</(?:{_NAMES})>|\[/THINK\]|◁/think▷", re.IGNORECASE)
_TAGS = (*(f"<{name}>" for name in _NAMES.split("|")), "[think]", "◁think▷", "<|channel|>", "<|start|>")
_HARMONY = re.compile(r"<\|(start|channel|message|end|return|call)\|>")
_LONGEST_TAG = 16
_FENCES = ("```", "~~~")
# What a value does not begin with: a closing tag before it stands in a text of the answer.
_WITHIN_A_VALUE = frozenset("\"'`,:}])")


class ReasoningSplitter:
    """Parts the text of one choice into its answer and the thinking before it.

    A plain text has its thinking in a leading block of tags. A typed answer begins with `{`, `[` or a code fence;
    other words are held back to its end, as a closing tag may follow that no tag has opened. `passed` says that all
    that follows belongs to the answer.
    """

    def __init__(self, *, typed: bool) -> None:
        self.passed = False
        self._typed = typed
        self._held = ""
        self._pieces: list[str] = []
        """The words of a typed answer that may turn out to be thinking."""
        self._step = self._at_start
        self._channel: str | None = None
        """The channel of the message that is read; `None` in its header."""
        self._header = ""
        self._trims = False

    def feed(self, text: str) -> tuple[str, str]:
        """Take in the next piece; give what it brought to the answer and to the thinking."""
        return self._read(text, is_last=False)

    def finish(self) -> tuple[str, str]:
        """Give what was held back to the end of the text."""
        content, reasoning = self._read("", is_last=True)
        self.passed = True
        return content, reasoning

    def _read(self, text: str, *, is_last: bool) -> tuple[str, str]:
        contents: list[str] = []
        thoughts: list[str] = []
        rest, self._held = self._held + text, ""
        while rest:
            step = self._step
            content, reasoning, rest, waits = step(rest, is_last=is_last)
            contents.append(content)
            thoughts.append(reasoning)
            if waits:
                self._held, rest = rest, ""
        if is_last:
            content, reasoning = self._unheld()
            contents.append(content)
            thoughts.append(reasoning)
        return "".join(contents), "".join(thoughts)

    # The steps: each gives content, thinking, the rest, and whether the rest must wait for more.

    def _at_start(self, text: str, *, is_last: bool) -> tuple[str, str, str, bool]:
        bare = text.lstrip()
        space = "" if self._trims else text[: len(text) - len(bare)]
        if not bare:
            return space, "", "", False
        opener = _OPENER.match(bare)
        if opener is not None:
            self._step = self._in_thinking
            return space, "", bare[opener.end() :], False
        if _HARMONY.match(bare):
            self._step = self._in_harmony
            return space, "", bare, False
        if not is_last and self._may_begin(bare):
            return space, "", bare, True
        if self._typed and not bare.lstrip("\ufeff").startswith(("{", "[", *_FENCES)):
            self._step = self._in_words
            return space, "", bare, False
        self.passed = True
        self._step = self._in_answer
        return space, "", bare, False

    def _may_begin(self, text: str) -> bool:
        """Say whether it may be the beginning of a tag, or of a fence."""
        if len(text) > _LONGEST_TAG:
            return False
        bare = text.lower().removeprefix("\ufeff")
        starts = (*_TAGS, *_FENCES) if self._typed else _TAGS
        return any(tag.startswith(bare) and tag != bare for tag in starts)

    def _in_answer(self, text: str, *, is_last: bool) -> tuple[str, str, str, bool]:
        return text, "", "", False

    def _in_thinking(self, text: str, *, is_last: bool) -> tuple[str, str, str, bool]:
        closer = _CLOSER.search(text)
        if closer is not None:
            self._begin_again()
            return "", text[: closer.start()], text[closer.end() :], False
        end = len(text) if is_last else _before_tag(text)
        return "", text[:end], text[end:], True

    def _in_words(self, text: str, *, is_last: bool) -> tuple[str, str, str, bool]:
        """Hold words back until a closing tag says that they were thinking."""
        closer = _CLOSER.search(text)
        while closer is not None:
            following = text[closer.end() :].lstrip()
            if not following and not is_last:
                end = closer.start()
                self._pieces.append(text[:end])
                return "", "", text[end:], True
            if following[:1] not in _WITHIN_A_VALUE:
                reasoning = "".join(self._pieces) + text[: closer.start()]
                self._pieces = []
                self._begin_again()
                return "", reasoning, text[closer.end() :], False
            closer = _CLOSER.search(text, closer.end())
        end = len(text) if is_last else _before_tag(text)
        self._pieces.append(text[:end])
        return "", "", text[end:], True

    def _begin_again(self) -> None:
        self._step = self._at_start
        self._trims = True

    def _unheld(self) -> tuple[str, str]:
        """Give the words that were held back; what follows an opening tag among them is thinking."""
        words, self._pieces = "".join(self._pieces), []
        opener = _OPENER.search(words)
        if opener is None or _CLOSER.search(words) is not None:
            return words, ""
        return words[: opener.start()], words[opener.end() :]

    def _in_harmony(self, text: str, *, is_last: bool) -> tuple[str, str, str, bool]:
        """Read the messages of channels: what is not in the final one is thinking."""
        token = _HARMONY.search(text)
        end = token.start() if token else len(text) if is_last else _before_tag(text)
        body, rest, channel = text[:end], text[token.end() if token else end :], self._channel
        if channel is None:
            self._header += body
        if token is not None:
            self._turn(token[1])
        return body if channel == "final" else "", "" if channel in {None, "final"} else body or "", rest, token is None

    def _turn(self, token: str) -> None:
        """Go into a message, whose channel is the first word of its header, or into a header."""
        if token == "message":  # noqa: S105 - a token of the format
            name = (self._header.split() or ["final"])[0]
            self._channel = "final" if name == "assistant" else name
        else:
            self._channel = None
        self._header = ""


def _before_tag(text: str) -> int:
    """Give where a tag may have begun that goes on in the next piece; the end of the text if none has."""
    for mark in "<[◁":
        start = text.rfind(mark, max(0, len(text) - _LONGEST_TAG))
        if start >= 0:
            return start
    return len(text)
