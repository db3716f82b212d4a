"""The block: one array, and a list of channel-aligned frames."""

from __future__ import annotations

import numpy as np
import pytest

from fastrtc_core import AudioFrame, InvalidFrameError
from fastrtc_core.errors import ConfigurationError
from fastrtc_core.sources import Block, select_channels
from fastrtc_core.sources.block import as_block

from .files import ramp


def test_a_block_is_a_list_of_its_channels() -> None:
    """Length, index, slice and iteration give mono frames; the array is there too."""
    block = Block(ramp(480, 4), 48000, pts=960)
    assert len(block) == block.num_channels == 4
    assert [frame.data.shape for frame in block] == [(1, 480)] * 4
    assert [frame.data[0, 0] for frame in block[1:3]] == [-14000, -13000]
    assert block[-1].data[0, 0] == block.channels[3].data[0, 0] == -12000
    assert isinstance(block[0], AudioFrame)
    with pytest.raises(IndexError):
        block[4]


def test_a_block_knows_its_place_in_time() -> None:
    """Times follow from the sample clock."""
    block = Block(ramp(480), 48000, pts=960)
    assert (block.samples, block.end, block.time, block.duration) == (480, 1440, 0.02, 0.01)


def test_a_source_may_hand_over_frames() -> None:
    """A list of frames, one frame, or a block: all become a block."""
    left, right = (AudioFrame(8000, ramp(80, start=n)) for n in (0, 5))
    both = as_block([left, right], 160, True)
    assert both.data.tolist() == [left.data[0].tolist(), right.data[0].tolist()]
    assert (both.sample_rate, both.pts, both.discontinuity) == (8000, 160, True)
    assert as_block(left, 7, False).pts == 7
    assert as_block(both, 0, False) is both


@pytest.mark.parametrize("other", [AudioFrame(16000, ramp(80)), AudioFrame(8000, ramp(81))])
def test_frames_of_a_block_are_alike(other: AudioFrame) -> None:
    """Another rate or length is an error that names them."""
    with pytest.raises(InvalidFrameError, match="one rate and length"):
        as_block([AudioFrame(8000, ramp(80)), other], 0, False)


def test_channels_are_selected() -> None:
    """One, two, or the mean of all."""
    block = Block(ramp(10, 4), 48000)
    assert select_channels(block, 2).data.tolist() == [block.data[2].tolist()]
    assert select_channels(block, (3, 0)).data.tolist() == block.data[[3, 0]].tolist()
    mixed = select_channels(block, "mix").data
    assert np.abs(mixed - block.data.mean(axis=0)).max() <= 0.5
    assert select_channels(Block(ramp(10, 2), 48000)).num_channels == 2


def test_what_cannot_be_selected_is_explained() -> None:
    """Four channels need a choice, and a choice needs its channels."""
    with pytest.raises(ConfigurationError, match=r'channels=0 .* channels="mix"'):
        select_channels(Block(ramp(10, 4), 48000))
    with pytest.raises(ConfigurationError, match="no channel 2"):
        select_channels(Block(ramp(10, 2), 48000), 2)


def test_blocks_keep_no_loudness_from_overflow() -> None:
    """The mean of full-scale channels is full scale."""
    loud = np.full((8, 10), -32768, np.int16)
    assert (select_channels(Block(loud, 48000), "mix").data == -32768).all()
