"""A type to its JSON Schema, and a model's words back to the type, also while they arrive."""
