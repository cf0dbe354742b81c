"""One codec for each wire format."""
