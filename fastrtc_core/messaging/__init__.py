"""What members of a room send each other: chat, messages, calls and streams."""
