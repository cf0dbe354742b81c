"""Many rows: a task over an iterable, with a checkpoint, a progress line, and a limit of what is under way."""
