"""From blocks with any number of channels to frames with one or two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..errors import ConfigurationError
from ..frames import AudioFrame
from .block import Block

Channels = int | Sequence[int] | Literal["mix"] | None
"""Which channels of a source to take: an index for mono, two of them for stereo, `"mix"` for the
mean of all as mono; `None` takes one or two channels as they are."""


def check_channels(channels: Channels) -> None:
    """Check a choice of channels.

    Raises:
        ConfigurationError: If it is none.
    """
    if channels is None or channels == "mix":
        return
    picked: Sequence[object] = [channels] if isinstance(channels, int) else channels
    if len(picked) not in (1, 2) or not all(isinstance(one, int) and one >= 0 for one in picked):
        raise ConfigurationError(
            f'channels must be an index, two indices, "mix" or None, not {channels!r}'
        )


def select_channels(block: Block, channels: Channels = None) -> AudioFrame:
    """One or two channels of a block.

    Raises:
        ConfigurationError: If the block has other channels than that; the text says what to ask
            for.
    """
    if channels is None:
        if block.num_channels > 2:
            raise ConfigurationError(
                f"the source has {block.num_channels} channels, and a frame has one or two: say "
                'channels=0 for the first, channels=(0, 1) for the first two, or channels="mix"'
            )
        return AudioFrame(block.sample_rate, np.ascontiguousarray(block.data))
    if channels == "mix":
        mixed = np.rint(block.data.mean(axis=0, keepdims=True)).astype(np.int16)
        return AudioFrame(block.sample_rate, mixed)
    assert not isinstance(channels, str)
    picked = [channels] if isinstance(channels, int) else list(channels)
    if max(picked) >= block.num_channels:
        raise ConfigurationError(
            f"the source has {block.num_channels} channel(s), numbered from 0; "
            f"there is no channel {max(picked)}"
        )
    return AudioFrame(block.sample_rate, np.ascontiguousarray(block.data[picked]))
