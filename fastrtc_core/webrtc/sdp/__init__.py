"""Session descriptions: read, checked, and edited section by section (RFC 8866, 8829)."""
