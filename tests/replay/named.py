"""What a user names on the command line."""

from __future__ import annotations

from fastrtc_core import Stream
from tests.handlers.test_reply_on_pause import agent, whole

stream = Stream(agent(whole))
