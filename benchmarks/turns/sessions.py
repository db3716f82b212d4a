"""The same decisions through a whole session, on virtual time."""

from __future__ import annotations

import asyncio

from fastrtc_core import AudioFrame
from fastrtc_core.testing import connect, run_virtual
from fastrtc_core.testing.conversations import RATE
from fastrtc_handlers import ReplyOnPause

from .conditions import Tape
from .judging import Answer
from .rules import THINKING


def through_session(tape: Tape) -> list[Answer]:
    """Play a tape to a session of `ReplyOnPause` whose bot thinks and says nothing."""
    answers: list[Answer] = []
    began = 0.0

    async def reply(audio: AudioFrame) -> None:
        now = round((asyncio.get_running_loop().time() - began) * RATE)
        answers.append(Answer(now - audio.samples_per_channel, now))
        await asyncio.sleep(THINKING)

    async def session() -> None:
        nonlocal began
        handler = ReplyOnPause(reply, input_sample_rate=RATE)
        async with connect(handler) as peer:
            began = asyncio.get_running_loop().time()
            await peer.speak(tape.conversation.audio)

    run_virtual(session())
    return answers
