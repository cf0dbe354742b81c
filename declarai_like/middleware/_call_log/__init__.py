"""A local log of calls, in an SQLite file."""
