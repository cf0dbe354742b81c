"""What jobs report reaches the one who waits, whichever of the two comes first."""

import pytest

from declarai_like._calls.crew import Inbox


def test_bell_rings_when_a_report_comes():
    inbox = Inbox()
    bell = inbox.bell()
    assert not bell.done()
    inbox.put("a report")
    assert bell.done()
    assert inbox.take() == "a report"


def test_bell_rings_at_once_where_a_report_is_waiting():
    inbox = Inbox()
    inbox.put("a report")
    assert inbox.bell().done()
    assert inbox.take() == "a report"


@pytest.mark.parametrize("reports", [1, 2])
def test_bell_that_nobody_waits_for_any_more_loses_no_report(reports):
    inbox = Inbox()
    assert inbox.bell().cancel()
    for number in range(reports):
        inbox.put(number)
    assert [inbox.take() for _ in range(reports)] == list(range(reports))
    assert not inbox.has_report
