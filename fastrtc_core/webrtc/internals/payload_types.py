"""Which payload types are dynamic: an answer repeats those of the offer.

aiortc knows the upper ones alone, and answers with a number of its own in place of a lower one.
Browsers use the lower ones once the upper ones are gone.
"""

from __future__ import annotations

from aiortc import rtp

DYNAMIC = (*range(35, 64), *range(96, 128))
"""Those without a meaning of their own (RFC 3551 section 6), where RTCP shares the port (RFC 5761
section 4)."""


def take_low_payload_types() -> None:
    """Answer with each dynamic payload type that is offered; idempotent."""
    rtp.DYNAMIC_PAYLOAD_TYPES = DYNAMIC  # type: ignore[assignment]
