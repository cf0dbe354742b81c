"""Bytes to chunks, and chunks to the answer so far; nothing in here waits."""
