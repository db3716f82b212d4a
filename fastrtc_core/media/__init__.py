"""Audio without I/O: the playout ledger, the pacing of packets, resampling and framing."""
