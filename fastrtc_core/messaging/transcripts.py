"""`Transcript`: what somebody in a channel said, as a handler that takes part wrote it down."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors import MessageError
from .naming import is_unicode

MAX_TEXT = 16_384
"""Longest transcript, in characters."""

MAX_TIME = 1e9
"""Latest time in a transcript, in s."""

MAX_ROLE = 32
"""Characters of a role."""


class Transcript(NamedTuple):
    """What was said.

    Attributes:
        text: The words.
        final: Whether they stay; a partial transcript is replaced by the next one of the same user.
        start: When it begins, in s of what the handler has heard; `None` if that is unknown.
        end: When it ends.
        role: `user`, or `assistant` for what the handler itself said.
    """

    text: str
    final: bool = True
    start: float | None = None
    end: float | None = None
    role: str = "user"


def read_transcript(data: Any) -> Transcript:
    """Read the data of a `transcript` message.

    Raises:
        MessageError: If it is none.
    """
    if not isinstance(data, dict):
        raise MessageError("a transcript must be an object")
    text, final, role = data.get("text"), data.get("final", True), data.get("role", "user")
    start, end = data.get("start"), data.get("end")
    if not is_unicode(text) or len(text) > MAX_TEXT:
        raise MessageError(f"the text of a transcript must have {MAX_TEXT} characters at most")
    if not isinstance(final, bool):
        raise MessageError("the final of a transcript must be true or false")
    if not is_unicode(role) or len(role) > MAX_ROLE:
        raise MessageError(f"the role of a transcript must have {MAX_ROLE} characters at most")
    for time in (start, end):
        if time is not None and not (
            isinstance(time, int | float) and not isinstance(time, bool) and 0 <= time <= MAX_TIME
        ):
            raise MessageError("start and end of a transcript must be times in s")
    return Transcript(text, final, start, end, role)
