"""The examples in docstrings run, and print what they show."""

import doctest
import importlib
import pkgutil

import pytest

import declarai_like

CASES_OF_TASKS = "declarai_like.evals.scenarios"
"""Its docstrings have examples for models, which are no code to run."""
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules():
    found = pkgutil.walk_packages(declarai_like.__path__, "declarai_like.")
    names = [module.name for module in found if not module.name.endswith("__main__") and module.name != CASES_OF_TASKS]
    return [importlib.import_module(name) for name in names]


EXAMPLES = [test for module in modules() for test in doctest.DocTestFinder().find(module) if test.examples]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_of_the_docstring_runs(example, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    example.globs["declarai"] = declarai_like
    assert runner.run(example).failed == 0


@pytest.mark.parametrize("name", ["openai", "Chat", "tool", "limits", "retry", "fallback"])
def test_what_is_called_first_has_an_example(name):
    assert any(example.name.endswith(f".{name}") for example in EXAMPLES)
