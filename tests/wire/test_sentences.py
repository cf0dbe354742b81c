"""Sentences of a growing text: where they end, and that the cuts of the stream make no difference."""

# ruff: noqa: RUF001 - the characters of many scripts are meant as they are

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declarai_like._wire.sentences import SentenceBuffer

# Each row is a text whose sentences are parted by "|"; the bar itself is not in the text.
ROWS = {
    "plain": "He left. |She stayed! |Why? |No one knows.",
    "one space too few is no end": "He left.She stayed.",
    "several spaces": "He left.   |She stayed.",
    "stops in a row": "Really?! |Yes!!! |Well.... |No.",
    "no stop at all": "He left and",
    "white space around": "  He left. |She stayed.  \n",
    "titles": "Mr. Smith met Dr. Jones and Prof. Lee. |Mrs. Brown was late.",
    "latin": "Fruit, e.g. Apples, i.e. Pomes, vs. Nuts, cf. Berries. |That is all.",
    "etc in the middle": "Apples, pears, etc. are fruit. |So are plums.",
    "etc at the end": "Apples, pears, etc. |The rest is nuts.",
    "a company in the middle": "Apple Inc. Shares rose. |That is all.",
    "a company at the end": "He works at Apple Inc. |They pay well.",
    "et al": "See Smith et al. 2020 and Lee et al. |The others agree.",
    "initials": "J. R. R. Tolkien and George W. Bush and J.R.R. Tolkien met. |They left.",
    "a letter at the end": "It contains vitamin C. |The rest is water.",
    "the pronoun I": "She is older than I. |Peter is not.",
    "a king": "Henry I. Miller wrote. |He did.",
    "only I": "I. Newton wrote it.",
    "a lower-case letter": "Choose option b. |Then go on.",
    "U.S. in a name": "He joined the U.S. Army. |It was hard.",
    "U.S. at the end": "He lives in the U.S. |She does not.",
    "U.S. at the end of a question": "In the U.S.? |Yes.",
    "times of day": "Come at 3 p.m. Monday. |Or at 4 a.m. |We are open.",
    "months": "It was Jan. 5 and Dec. 24. |It was cold.",
    "number abbreviations": "See No. 5 and Vol. II and p. 7. |No. |That is wrong.",
    "figures": "It is shown in Fig. 3. |See Fig. A too.",
    "decimals": "Pi is 3.14 and .5 is half. |It costs $2.50. |Good.",
    "a number at the end": "I have 2. |Next one.",
    "a year at the end": "He came in 1990. |Then he left.",
    "versions": "Use Python 3.11.2 or v1.2. |It works.",
    "addresses": "See https://example.com/a.b?c=d&e=f! |Or mail to a.b@c.example. |Thanks.",
    "file names": "Open setup.py and README.md. |Then run Node.js.",
    "an ellipsis before lower case": "Well... maybe not… or so. |Yes.",
    "an ellipsis before upper case": "Wait... |He left… |She stayed.",
    "an ellipsis first": "... and then he left. |Yes.",
    "an ellipsis with spaces": "Well . . . he left. |Yes.",
    "lower case goes on": "The approx.ly known approxim. value is 5. |Good.",
    "a loud stop before lower case": "hello! |how are you? |i am fine. thanks",
    "quotes": '"He left." |"Why?" she asked. |"No!" |He ran.',
    "curly quotes": "“He left.” |‘Why?’ she asked. |“No!” — he said.",
    "German quotes": "„Er ging.“ |Dann kam sie. |»Warum?« fragte er.",
    "French quotes": "« Il est parti. » |Puis « Quoi ? » dit-il. |Oui.",
    "Danish quotes": "Han gik. |»Hvorfor?« spurgte hun.",
    "brackets": "He left (finally.) |She (why?) stayed. |[He left.] |Good.",
    "references": "It is so.[1][2] |It is not.【4†source】 |Yes. |[3] says so.",
    "half a reference": "It is so.[1 He left.",
    "a mark that never closes": "It is so.【4 He left.",
    "emphasis": "**He left.** |*She stayed.* |_No_. |`Yes.` |~~Gone.~~ |So.",
    "an abbreviation in emphasis": "Ask **Dr.** Smith or (e.g.) Anna. |Good.",
    "a numbered list": "1. Foo is good.\n|2. Bar is better.\n|10. Baz.\n|a. First.\n|iv. Fourth.\n|1.2. Deep.",
    "emphasised numbers": "**1.** Foo.\n|- 2. Bar.",
    "bullets": "- apples\n|- pears\n|* nuts",
    "headings": "# A heading\n|The text. |More of it\n\n|## Another\n|Text",
    "line ends": "one\r\n|two\r|three\u2028|four\n\n\n|five",
    "a stop and a line end": "He left.\n|she stayed.",
    "a table": "a \uff5c b\n|end",
    "emoji": "Great! |😊 How are you?",
    "an emoticon": "Great! |:) Next.",
    "Spanish": "¿Qué? |¡No! |El Sr. García y la Sra. López viven en EE. UU. |Es verdad.",
    "German": "Am 3. Oktober, z. B. Hunde bzw. Katzen, d. h. Tiere, z.B. Kühe. |Der 4. |Das ist S. 5 usw. |Es ist gut, Hr. Maier.",
    "Dipl.-Ing.": "Das ist Dipl.-Ing. Maier. |Gut.",
    "French": "M. Dupont et Mme. Durand, av. J.-C. et apr. |Elle part. |C'est p. ex. Paris.",
    "Italian": "Il sig. Rossi, il dott. Bianchi, ecc. |Non è vero.",
    "Dutch": "Dhr. Jansen, d.w.z. Piet, enz. |Het is zo.",
    "Portuguese": "O Dr. Silva e a Sra. Costa. |Ela saiu.",
    "Russian": "А. С. Пушкин, т. е. поэт, жил в 1800 г. |Он писал. |См. Рис. 5.",
    "Chinese": "我走了。|他呢？|她说:“好！”|真的吗?|是。",
    "halfwidth in Chinese": "你好!|我是谁?|你是3.5岁。",
    "Chinese brackets": "（我走了。）|他（说。）|好。",
    "Japanese": "「はい。」|『いいえ！』|そうです。|何？",
    "Japanese speech": "「行く。」と彼は言った。|「え？」とね。",
    "Hindi": "यह है। |वह गया॥|क्या? |हाँ।",
    "Arabic": "ما اسمك؟ |أنا هنا. |نعم.",
    "Urdu": "وہ گیا۔ |میں آیا۔",
    "Armenian": "Ես եկա։ |Դու գնացիր։",
    "only stops": "...",
    "only white space": " \n\t ",
    "nothing": "",
}

# What makes decisions hard, so that random texts of it are hard to cut.
HARD = [
    *" .!?\n\"'“”»«[]()【】*1aIjAZé…。」と我-",
    " ",
    " ",
    ". ",
    "e.g",
    "Mr",
    "No",
    "U.S",
    "The",
    "etc",
    "5",
    "p",
    "[1]",
    "z. B.",
]


def sentences(*pieces):
    buffer = SentenceBuffer()
    return [sentence for piece in pieces for sentence in buffer.feed(piece)] + list(buffer.close())


def cut(text, places):
    ends = sorted({0, len(text), *places})
    return [text[start:end] for start, end in pairwise(ends)]


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_sentences_are_cut_where_they_end(row):
    assert sentences(row.replace("|", "")) == [part.strip() for part in row.split("|") if part.strip()]


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_text_that_comes_character_by_character_has_the_same_sentences(row):
    text = row.replace("|", "")
    assert sentences(*text) == sentences(text)


@given(st.lists(st.sampled_from(HARD)).map("".join) | st.text(), st.data())
def test_any_cutting_gives_the_same_sentences(text, data):
    places = data.draw(st.lists(st.integers(0, len(text))))
    assert sentences(*cut(text, places)) == sentences(text)


@given(st.lists(st.sampled_from(HARD)).map("".join) | st.text())
def test_nothing_but_white_space_is_lost(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


@given(st.lists(st.sampled_from(HARD)).map("".join) | st.text())
def test_sentences_are_neither_empty_nor_surrounded_by_white_space(text):
    assert all(sentence and sentence == sentence.strip() for sentence in sentences(text))


@pytest.mark.parametrize("run", [".", "!", " ", "。", '"', "[", "«", "a", "1", "(", "J. ", ".)", "-", " »", "U."])
def test_long_runs_of_one_thing_are_cut_the_same(run):
    text = f"Start here. {run * 300} The end. {run * 70}A{run * 70}"
    generator = random.Random(run)  # noqa: S311 - no secret, only places to cut
    for _ in range(20):
        places = [generator.randrange(len(text)) for _ in range(40)]
        assert sentences(*cut(text, places)) == sentences(text)


def test_a_sentence_is_given_as_soon_as_its_end_is_certain():
    buffer = SentenceBuffer()
    given_at = [list(buffer.feed(piece)) for piece in ["He left", ".", " ", "S", "he stayed", "\n", "我。", "他"]]
    assert given_at == [[], [], [], ["He left."], [], ["She stayed"], [], ["我。"]]


def test_an_abbreviation_waits_for_the_whole_next_word():
    buffer = SentenceBuffer()
    given_at = [list(buffer.feed(piece)) for piece in ["In the U.S.", " The", "y", " left"]]
    assert given_at == [[], [], [], ["In the U.S."]]


def test_a_closed_buffer_is_as_new():
    buffer = SentenceBuffer()
    assert [*buffer.feed("He left. She"), *buffer.close()] == ["He left.", "She"]
    assert [*buffer.feed("No. Yes"), *buffer.close()] == ["No.", "Yes"]


def test_pieces_of_a_long_sentence_are_looked_at_once():
    """What the buffer looks through again does not grow with the sentence: its own text stays short."""
    buffer = SentenceBuffer()
    longest = 0
    for _ in range(20_000):
        buffer.feed("word ")
        longest = max(longest, len(buffer._text))
    assert longest < 200
    assert list(buffer.close()) == [("word " * 20_000).strip()]
