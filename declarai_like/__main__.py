"""`python -m declarai_like`: the command line, also where its script is not on the path."""

import sys

from declarai_like._cli import main

sys.exit(main())
