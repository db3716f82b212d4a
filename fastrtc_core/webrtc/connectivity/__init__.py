"""Connectivity without I/O: STUN messages and an ICE agent, for whoever owns the sockets."""
