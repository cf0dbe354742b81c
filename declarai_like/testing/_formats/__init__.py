"""The wire formats in which a scripted server answers: one module each, and the choice between them."""

from __future__ import annotations
