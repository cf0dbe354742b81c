"""What is kept of a chat, and what is sent of it."""
