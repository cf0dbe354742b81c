"""Many rows: what `task.map`, `task.amap` and their kin give."""

from __future__ import annotations

from declarai_like._rows.batches.flows import BatchProgress
from declarai_like._rows.batches.job import BatchJob
from declarai_like._rows.estimates import Estimate
from declarai_like._rows.frames import Frame
from declarai_like._rows.maps import AsyncRows, Rows
from declarai_like._rows.progress import Progress
from declarai_like._rows.rows import Row

__all__ = ["AsyncRows", "BatchJob", "BatchProgress", "Estimate", "Frame", "Progress", "Row", "Rows"]

for _value in (
    AsyncRows,
    Estimate,
    Frame,
    Progress,
    Row,
    Rows,
):  # where a value is defined is no concern of who reads its name
    _value.__module__ = __name__
