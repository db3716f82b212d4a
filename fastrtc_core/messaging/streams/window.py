"""How much of a stream may be on its way: counted alike by who sends and who receives."""

WINDOW = 65_536
"""Bytes that one receiver has been sent and has not read. Sixteen such streams, a third larger in
base64, fit the lane of a browser (`lane.CAPACITY`)."""

OVERHEAD = 256
"""Bytes that a chunk counts for beside its content, so that the small ones do not go free."""

TIMEOUT = 10.0
"""How long in s a receiver may acknowledge nothing, while there is something to acknowledge."""

IDLE = 30.0
"""How long in s a reader waits for more."""

PER_SENDER = 16
"""Streams of one sender that may be open at one receiver."""

OPEN = 64
"""Streams that may be open at one receiver; of who has none, one more."""


def cost(size: int) -> int:
    """What a chunk of so many bytes takes of the window."""
    return size + OVERHEAD
