"""`RtcOptions`: which channel to join, as whom, and in which format of audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError, InvalidFrameError
from ..frames import samples_per_frame
from ..handler import MIN_SAMPLE_RATE
from ..messaging.naming import MAX_NAME, check_channel_name, check_uid, is_unicode
from . import tokens

MAX_SAMPLE_RATE = 192_000
"""Highest rate in Hz of the audio that a channel is given and gives."""

DEFAULT_TTL = 3600.0
"""How long in s a token is good for unless another time is asked for."""


@dataclass(frozen=True, kw_only=True)
class RtcOptions:
    """How to take part in a channel.

    Attributes:
        channel_name: 1 to 64 letters, digits, spaces and characters of
            `!#$%&()+-:;<=.>?@[]^_{}|~,`.
        uid: Who joins, 0 to 2**32 - 1; with 0, a uid is issued.
        sample_rate: Of the audio that is pushed and heard, in Hz.
        channels: 1 (mono) or 2 (stereo), for the same audio.
        name: What the others are shown.
        auto_subscribe_audio: Whether the audio of whoever joins is subscribed to.

    Raises:
        ConfigurationError: If one of them is out of range.
    """

    channel_name: str
    uid: int = 0
    sample_rate: int = 24000
    channels: int = 1
    name: str = ""
    auto_subscribe_audio: bool = True

    def __post_init__(self) -> None:
        check_channel_name(self.channel_name)
        check_uid(self.uid)
        try:
            samples_per_frame(self.sample_rate)
        except InvalidFrameError as error:
            raise ConfigurationError(f"sample_rate: {error}") from None
        if not MIN_SAMPLE_RATE <= self.sample_rate <= MAX_SAMPLE_RATE:
            raise ConfigurationError(
                f"sample_rate must be {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz"
            )
        if self.channels not in (1, 2):
            raise ConfigurationError("channels must be 1 (mono) or 2 (stereo)")
        name: Any = self.name
        if not is_unicode(name) or len(name) > MAX_NAME:
            raise ConfigurationError(f"name must be Unicode text of {MAX_NAME} characters at most")

    def build_token(self, appid: str, appcert: str, *, ttl: float = DEFAULT_TTL) -> str:
        """Issue a token with all permissions for this channel, uid and name.

        Args:
            appid: Id of the app.
            appcert: Its certificate.
            ttl: How long it is good for, in s.

        Raises:
            ConfigurationError: If an argument is invalid, or the extra `channel` is missing.
        """
        return tokens.build_token(
            appid, appcert, channel=self.channel_name, uid=self.uid, ttl=ttl, name=self.name
        )
