"""When coverage traces: its tracer slows down every line of Python, be it ours or pytest's, so it rests where it can."""

import gc
import sys
from importlib import import_module
from pkgutil import walk_packages

import pytest

import declarai_like


class Tracing:
    """Stops the tracer of coverage while tests are collected, and for tests that are marked `untraced`."""

    def __init__(self, coverage_class):
        self.coverage_class = coverage_class
        self.coverage = coverage_class.current()
        self.is_active = True

    def switch(self, *, active):
        if active == self.is_active:
            return
        self.is_active = active
        if active:
            self.coverage.start()
        else:  # in a worker pytest-cov has begun two: where one stops, the one beneath it would go on
            while running := self.coverage_class.current():
                running.stop()

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self):
        """Trace what our modules do as they are imported; nothing of ours is tested before the first test."""
        for module in walk_packages(declarai_like.__path__, "declarai_like."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
        self.switch(active=False)
        try:
            return (yield)
        finally:
            forget_what_was_remembered()
            self.switch(active=True)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        self.switch(active=item.get_closest_marker("untraced") is None)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self):
        try:
            return (yield)
        finally:
            self.switch(active=True)


def forget_what_was_remembered():
    """Have what modules of tests have called, and ours have cached, be called anew by the tests, which are traced."""
    for name, module in list(sys.modules.items()):
        if name.startswith("declarai_like."):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session):
    coverage = sys.modules.get("coverage")
    if coverage and coverage.Coverage.current():
        session.config.pluginmanager.register(Tracing(coverage.Coverage))


def pytest_collection_finish():
    """Keep the tests themselves out of each garbage collection: there are 15,000."""
    gc.collect()
    gc.freeze()
