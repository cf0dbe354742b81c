"""The models that can be asked, each behind the same protocol."""
