"""What tasks of all kinds have in common."""
