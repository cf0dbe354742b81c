"""A function or class read once, and its arguments turned into messages."""
