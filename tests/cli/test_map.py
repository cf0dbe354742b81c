"""`declarai-like map`: a task over the rows of a file, which a second run goes on with."""

import json
from pathlib import Path

import pytest

from declarai_like._cli import main

MODULE = '''
from declarai_like import errors
from declarai_like.testing import FakeLLM

asked = []

def answer(request):
    text = request.messages[-1].message
    asked.append(text)
    if "bad" in text:
        raise errors.BadRequestError("no", status=400)
    return 4

llm = FakeLLM([answer] * 999, model="gpt-4o-mini")

@llm.task
def rank(message: str, scale: int = 5) -> int:
    """Rank the message"""

@llm.task
def anything(**columns: str) -> int:
    """Rank it"""

class Bot:
    """No task"""
'''


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mapped_rows.py").write_text(MODULE)
    (tmp_path / "rows.csv").write_text("id,message,scale\n1,down,3\n2,007,\n3,bad,5\n")


@pytest.fixture
def asked():
    from declarai_like._cli._targets import import_place

    return import_place("mapped_rows.py").asked


def written(path="out.jsonl"):
    return list(map(json.loads, Path(path).read_text().splitlines()))


def test_each_row_is_written_with_its_value_or_error(tmp_path, capsys):
    (tmp_path / "rows.csv").write_text("id,message,scale\n1,down,3\n2,bad,5\n")
    assert main(["map", "mapped_rows.py:rank", "rows.csv", "-o", "out.jsonl"]) == 1
    assert written() == [
        {"row": {"id": 1, "message": "down", "scale": 3}, "value": 4, "error": None},
        {"row": {"id": 2, "message": "bad", "scale": 5}, "value": None, "error": "BadRequestError: no"},
    ]
    err = capsys.readouterr().err
    assert "2/2 rows" in err
    assert "2 rows, 1 failed: out.jsonl" in err
    assert not (tmp_path / "out.jsonl.part").exists()


def test_a_second_run_asks_only_what_is_missing(tmp_path, asked):
    assert main(["map", "mapped_rows.py:rank", "rows.csv", "-o", "out.jsonl", "--quiet"]) == 1
    assert len(asked) == 3
    (tmp_path / "rows.csv").write_text("id,message,scale\n1,down,3\n3,good,5\n2,007,\n")
    assert main(["map", "mapped_rows.py:rank", "rows.csv", "-o", "out.jsonl", "--quiet"]) == 0
    assert len(asked) == 4
    assert [row["value"] for row in written()] == [4, 4, 4]
    assert main(["map", "mapped_rows.py:rank", "rows.csv", "-o", "out.jsonl", "--quiet", "--fresh"]) == 0
    assert len(asked) == 7
    assert (tmp_path / "out.checkpoint.1.jsonl").exists()


def test_cells_of_a_text_parameter_are_texts(asked):
    main(["map", "mapped_rows.py:rank", "rows.csv", "-o", "out.jsonl"])
    assert "message: 007" in "".join(asked)


def test_lines_of_json_are_rows(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"message": "down", "id": 1}\n\n["up", 3]\n"sideways"\n')
    arguments = ["map", "mapped_rows.py:rank", "rows.jsonl", "-o", "out.jsonl", "--key", "message"]
    assert main(arguments) == 1  # a list is a single value here, which no text is
    rows = written()
    assert rows[0] == {"row": {"message": "down", "id": 1}, "value": 4, "error": None}
    assert rows[2]["value"] == 4


def test_a_key_may_be_a_column_that_is_no_argument(tmp_path):
    assert main(["map", "mapped_rows.py:rank", "rows.csv", "-o", "out.jsonl", "--key", "id", "--quiet"]) == 1
    keys = [json.loads(line)["key"] for line in (tmp_path / "out.checkpoint.jsonl").read_text().splitlines()[1:]]
    assert sorted(keys) == ["1", "2", "3"]


def test_a_task_of_any_columns_gets_all_of_them(tmp_path, asked):
    (tmp_path / "rows.tsv").write_text("a\tb\nx\ty\n")
    assert main(["map", "mapped_rows.py:anything", "rows.tsv", "-o", "out.jsonl", "--quiet"]) == 0
    assert "y" in asked[-1]


def test_another_model_is_asked(tmp_path):
    assert main(["map", "mapped_rows.py:rank", "rows.csv", "-o", "out.jsonl", "--quiet", "--model", "other"]) == 1
    header = json.loads((tmp_path / "out.checkpoint.jsonl").read_text().splitlines()[0])
    assert header["model"] == "other"


def test_an_estimate_sends_nothing(capsys, asked):
    assert main(["map", "mapped_rows.py:rank", "rows.csv", "-o", "out.jsonl", "--estimate"]) == 0
    assert capsys.readouterr().out.startswith("3 rows, ")
    assert not asked


@pytest.mark.parametrize("most", ["0", "0.01"])
def test_too_many_errors_are_a_failure(tmp_path, capsys, most):
    (tmp_path / "rows.csv").write_text("message\n" + "".join(f"bad{number}\n" for number in range(40)))
    arguments = ["map", "mapped_rows.py:rank", "rows.csv", "-o", "out.jsonl", "--quiet", "--concurrency", "1"]
    assert main([*arguments, "--max-errors", most]) == 1
    assert "rows have failed" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("rows", "content", "told"),
    [
        ("missing.csv", None, "'missing.csv' cannot be read: No such file"),
        ("missing.jsonl", None, "'missing.jsonl' cannot be read: No such file"),
        ("rows.txt", b"a", "expected a file that ends with .csv, .tsv, .jsonl, .ndjson"),
        ("bad.jsonl", b'{"message": "a"}\n{"mess\n', "bad.jsonl, line 2: expected JSON"),
        ("bad.csv", b'message\n"a\n', "'bad.csv' cannot be read: unexpected end of data"),
        ("latin.csv", b"message\n\xff\n", "'latin.csv' cannot be read"),
        ("latin.jsonl", b"\xff\n", "'latin.jsonl' cannot be read"),
    ],
)
def test_files_that_cannot_be_read_are_told(tmp_path, capsys, rows, content, told):
    if content is not None:
        (tmp_path / rows).write_bytes(content)
    assert main(["map", "mapped_rows.py:rank", rows, "-o", "out.jsonl"]) == 1
    assert told in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_told(capsys, tmp_path):
    (tmp_path / "out.jsonl.part").mkdir()
    assert main(["map", "mapped_rows.py:rank", "rows.csv", "-o", "out.jsonl", "--quiet"]) == 1
    assert "'out.jsonl' cannot be written" in capsys.readouterr().err


def test_what_is_no_task_is_told(capsys):
    assert main(["map", "mapped_rows.py:Bot", "rows.csv", "-o", "out.jsonl"]) == 1
    assert "is not a task" in capsys.readouterr().err
