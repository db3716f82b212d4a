"""The WebRTC transport: offers, answers and candidates, and one peer per session."""
