"""What the values are made of: shared texts and lists, outcomes, prices."""
