"""One call: what it needs, and the only place that waits."""
