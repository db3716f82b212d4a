"""The telephone: calls of Twilio, Telnyx and Plivo, over the sockets that they open."""
