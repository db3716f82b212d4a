"""A room: its members, what they hear and see of each other, and what they are told."""
