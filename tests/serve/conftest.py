"""What tests of served apps share."""

from contextlib import ExitStack

import pytest
from serve.clients import Site


@pytest.fixture
def site():
    """Serve an app on a port of its own, until the test ends."""
    with ExitStack() as stack:

        def serving(app):
            made = Site(app)
            stack.callback(made.close)
            return made

        yield serving
