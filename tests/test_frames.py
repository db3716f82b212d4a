"""Audio frames and pictures: what is taken, what it becomes, and what is refused in which words."""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, HandlerError, InvalidFrameError
from fastrtc_core.frames import (
    channels_of,
    check_video_array,
    samples_per_frame,
    to_audio_frame,
    to_float32,
    to_int16,
    with_channels,
)

from .examples import tries

DTYPES = (np.int16, np.int32, np.float32, np.float64)

quick = settings(deadline=None, max_examples=tries(100))

int16_arrays = hnp.arrays(np.int16, st.tuples(st.integers(1, 2), st.integers(0, 50)))


def ramp(dtype: type[np.generic], *shape: int) -> NDArray[Any]:
    """Different samples of any dtype, each the exact equal of an int16."""
    values = (np.arange(int(np.prod(shape))) * 1000 % 60000 - 30000).reshape(shape)
    scale = {np.int16: 1, np.int32: 65536, np.float32: 1 / 32768, np.float64: 1 / 32768}[dtype]
    return (values * scale).astype(dtype)


# What is taken


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(6,), (1, 6), (2, 6)])
def test_every_dtype_and_shape_becomes_the_same_frame(
    dtype: type[np.generic], shape: tuple[int, ...]
) -> None:
    """Each accepted dtype and shape becomes int16 of shape (channels, samples), C-contiguous."""
    frame = to_audio_frame((24000, ramp(dtype, *shape)))
    assert type(frame) is AudioFrame
    assert frame.sample_rate == 24000
    assert frame.data.dtype == np.int16
    assert frame.data.flags.c_contiguous
    np.testing.assert_array_equal(frame.data, ramp(np.int16, *shape).reshape(-1, 6))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(6,), (1, 6)])
def test_interleaved_stereo_is_split(dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    """One row with the layout "stereo" is left, right, left, right, …."""
    frame = to_audio_frame((48000, ramp(dtype, *shape), "stereo"))
    row = ramp(np.int16, 6)
    np.testing.assert_array_equal(frame.data, [row[0::2], row[1::2]])
    assert frame.data.flags.c_contiguous


@pytest.mark.parametrize(
    ("shape", "layout"), [((4,), "mono"), ((1, 4), "mono"), ((2, 4), "stereo")]
)
def test_a_layout_that_fits_the_rows_changes_nothing(shape: tuple[int, ...], layout: str) -> None:
    """The layout of an array that has its channels as rows is taken as said."""
    samples = ramp(np.int16, *shape)
    frame = to_audio_frame((8000, samples, layout))
    np.testing.assert_array_equal(frame.data, np.atleast_2d(samples))


def test_a_frame_passes_unchanged() -> None:
    """An `AudioFrame` is taken as it is."""
    frame = AudioFrame(16000, ramp(np.int16, 2, 5))
    assert to_audio_frame(frame) == frame


def test_no_samples_are_a_frame_too() -> None:
    """An empty array is a frame of no duration."""
    frame = to_audio_frame((16000, np.zeros(0, np.float32)))
    assert frame.data.shape == (1, 0)
    assert frame.duration == 0


def test_a_view_with_strides_is_taken() -> None:
    """Arrays that are not contiguous are read as numpy reads them."""
    samples = ramp(np.int16, 12)[::3]
    np.testing.assert_array_equal(to_audio_frame((8000, samples)).data[0], samples)


def test_a_rate_of_numpy_becomes_an_int() -> None:
    """An integer of numpy serves as a rate, and the frame carries an `int`."""
    frame = to_audio_frame((np.int64(8000), np.zeros(2, np.int16)))
    assert type(frame.sample_rate) is int


def test_a_frame_knows_its_measures() -> None:
    """Channels, samples and duration are derived from the array; it unpacks like a tuple."""
    frame = AudioFrame(8000, np.zeros((2, 160), np.int16))
    rate, data = frame
    assert (rate, data.shape) == (8000, (2, 160))
    assert (frame.num_channels, frame.samples_per_channel, frame.duration) == (2, 160, 0.02)


@given(data=int16_arrays, rate=st.sampled_from([8000, 22050, 48000]))
@quick
def test_wav_bytes_hold_the_same_samples(data: NDArray[np.int16], rate: int) -> None:
    """`to_wav_bytes` is a 16-bit WAV file that reads back to the same samples."""
    with wave.open(io.BytesIO(AudioFrame(rate, data).to_wav_bytes())) as file:
        assert (file.getframerate(), file.getsampwidth()) == (rate, 2)
        assert file.getnchannels() == data.shape[0]
        read = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    np.testing.assert_array_equal(read.reshape(-1, data.shape[0]).T, data)


# Conversion of samples


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_int16_survives_the_way_through_floats(dtype: type[np.floating[Any]]) -> None:
    """All 65,536 values of int16 come back exactly from floats."""
    every = np.arange(-32768, 32768).astype(np.int16)
    np.testing.assert_array_equal(to_int16(to_float32(every).astype(dtype)), every)


def test_int16_survives_the_way_through_int32() -> None:
    """All 65,536 values of int16 come back exactly from full-scale int32."""
    every = np.arange(-32768, 32768).astype(np.int16)
    np.testing.assert_array_equal(to_int16(every.astype(np.int32) << 16), every)


@given(
    samples=hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.integers(1, 20),
        elements=st.floats(allow_nan=False, width=32),
    )
)
@quick
def test_floats_clip_and_never_wrap(samples: NDArray[Any]) -> None:
    """Any float is at the int16 nearest to it, the largest and infinite ones included."""
    expected = np.clip(np.rint(samples.astype(np.float64) * 32768), -32768, 32767)
    np.testing.assert_array_equal(to_int16(samples), expected)


@given(samples=hnp.arrays(np.int32, st.integers(1, 20)))
@quick
def test_int32_rounds_and_never_wraps(samples: NDArray[np.int32]) -> None:
    """An int32 becomes its upper half, rounded, with the sign that it had."""
    converted = to_int16(samples)
    exact = samples / 65536
    off = np.abs(converted.astype(np.float64) - exact)
    assert np.all((off <= 0.5) | ((exact > 32767) & (converted == 32767)))
    assert to_int16(np.array([2**31 - 1, -(2**31)], np.int32)).tolist() == [32767, -32768]


def test_float32_is_within_full_scale() -> None:
    """`to_float32` maps int16 into [-1, 1)."""
    floats = to_float32(np.array([-32768, 0, 16384, 32767], np.int16))
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, np.array([-1, 0, 0.5, 32767 / 32768], np.float32))


@given(data=int16_arrays)
@quick
def test_mono_to_stereo_and_back_is_exact(data: NDArray[np.int16]) -> None:
    """A channel is copied to both sides at its level, and their mean is that channel again."""
    mono = data[:1]
    stereo = with_channels(mono, 2)
    np.testing.assert_array_equal(stereo, np.concatenate([mono, mono]))
    np.testing.assert_array_equal(with_channels(stereo, 1), mono)
    assert with_channels(data, data.shape[0]) is data


def test_mixing_takes_the_mean_without_overflow() -> None:
    """Two channels at full scale mix to full scale; one alone to half of it."""
    stereo = np.array([[32767, -32768, 1000], [32767, -32768, 0]], np.int16)
    assert with_channels(stereo, 1).tolist() == [[32767, -32768, 500]]


# What is refused


def refused(value: Any) -> str:
    """The words in which a value is refused."""
    with pytest.raises(InvalidFrameError) as caught:
        to_audio_frame(value)
    assert isinstance(caught.value, HandlerError), "the client must see the text"
    return str(caught.value)


@pytest.mark.parametrize("shape", [(), (3, 4), (4, 3), (0, 5), (1, 2, 3), (480, 1), (480, 2)])
def test_a_wrong_shape_is_named(shape: tuple[int, ...]) -> None:
    """A shape that is none of (n,), (1, n), (2, n) is refused; shape and dtype are named."""
    text = refused((24000, np.zeros(shape, np.float32)))
    assert str(shape) in text
    assert "float32" in text
    assert ("transpose" in text) == (shape in [(480, 1), (480, 2)])


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int8, np.uint16, np.int64, np.float16, bool, np.complex64, "S2", object]
)
def test_a_wrong_dtype_is_named(dtype: Any) -> None:
    """A dtype that is none of the four is refused; shape and dtype are named."""
    samples = np.zeros((1, 7), dtype)
    text = refused((24000, samples))
    assert str(samples.dtype) in text
    assert "(1, 7)" in text


def test_the_other_byte_order_is_refused() -> None:
    """Big-endian samples are refused, not played as noise."""
    big = np.dtype("i2").newbyteorder("S")
    assert str(big) in refused((24000, np.zeros(4, big)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_not_a_number_is_refused(dtype: type[np.floating[Any]]) -> None:
    """A NaN anywhere refuses the frame; shape and dtype are named."""
    samples = np.zeros((2, 9), dtype)
    samples[1, 4] = np.nan
    text = refused((24000, samples))
    assert "NaN" in text
    assert "(2, 9)" in text
    assert np.dtype(dtype).name in text


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (None, "NoneType"),
        ("audio", "str"),
        (b"\0\0", "bytes"),
        ([24000, np.zeros(4, np.int16)], "list"),
        (np.zeros((1, 4), np.int16), "an array of shape (1, 4) and dtype int16"),
        ((), "a tuple of 0"),
        ((24000,), "a tuple of 1"),
        ((24000, np.zeros(4, np.int16), "mono", 1), "a tuple of 4"),
        ((24000, [0, 0, 0]), "list"),
        ((24000, None), "NoneType"),
        ((np.zeros(4, np.int16), 24000), "an array of shape (4,) and dtype int16"),
    ],
)
def test_what_is_no_frame_is_named(value: Any, named: str) -> None:
    """Anything but (rate, array) or (rate, array, layout) is refused and described."""
    assert named in refused(value)


@pytest.mark.parametrize(
    ("rate", "named"),
    [
        (24000.0, "float"),
        ("24000", "str"),
        (None, "NoneType"),
        (True, "bool"),
        (0, "0 Hz"),
        (-8000, "-8000 Hz"),
        (10**9, "1000000000 Hz"),
    ],
)
def test_a_wrong_rate_is_named(rate: Any, named: str) -> None:
    """A rate that is no positive integer of Hz is refused."""
    assert named in refused((rate, np.zeros(4, np.int16)))


@pytest.mark.parametrize("layout", ["5.1", "", 2, ["stereo"], {"mono": 1}])
def test_a_wrong_layout_is_named(layout: Any) -> None:
    """A layout that is neither "mono" nor "stereo" is refused, whatever its type."""
    assert repr(layout) in refused((24000, np.zeros(4, np.int16), layout))


def test_a_layout_that_contradicts_the_array_is_refused() -> None:
    """Two rows are not mono, and an odd number of samples is not interleaved stereo."""
    assert "(2, 4)" in refused((24000, np.zeros((2, 4), np.int16), "mono"))
    assert "odd" in refused((24000, np.zeros(5, np.int16), "stereo"))


@given(value=st.none() | st.integers() | st.text() | st.binary() | st.lists(st.floats()))
@quick
def test_nothing_but_the_documented_error_comes_out(value: Any) -> None:
    """Whatever a handler emits in place of audio is an `InvalidFrameError`."""
    for shaped in (value, (value, value), (24000, value), (24000, np.zeros(2, np.int16), value)):
        result = outcome(shaped)
        assert isinstance(result, InvalidFrameError) or result.data.dtype == np.int16


def outcome(value: Any) -> AudioFrame | InvalidFrameError:
    """The frame that was read, or the error."""
    try:
        return to_audio_frame(value)
    except InvalidFrameError as error:
        return error


# Rates and layouts


@pytest.mark.parametrize(
    ("rate", "samples"), [(8000, 160), (11050, 221), (22050, 441), (44100, 882), (48000, 960)]
)
def test_20_ms_are_counted(rate: int, samples: int) -> None:
    """`samples_per_frame` is 20 ms of the rate."""
    assert samples_per_frame(rate) == samples


@pytest.mark.parametrize("rate", [0, -50, 11025, 8001, 24000.0, "24000", True, None])
def test_a_rate_that_20_ms_does_not_divide_is_refused(rate: Any) -> None:
    """20 ms must be a whole number of samples."""
    with pytest.raises(InvalidFrameError, match="Hz"):
        samples_per_frame(rate)


def test_layouts_have_one_or_two_channels() -> None:
    """`mono` is one channel, `stereo` two, and nothing else is a layout."""
    assert (channels_of("mono"), channels_of("stereo")) == (1, 2)
    with pytest.raises(InvalidFrameError, match="quad"):
        channels_of("quad")


# Pictures


@pytest.mark.parametrize(
    ("video_format", "shape"), [("bgr24", (4, 6, 3)), ("rgb24", (1, 1, 3)), ("gray", (4, 6))]
)
def test_a_picture_that_fits_is_returned(video_format: str, shape: tuple[int, ...]) -> None:
    """uint8 of the shape of its format passes as it is."""
    picture = np.zeros(shape, np.uint8)
    assert check_video_array(picture, video_format) is picture


@pytest.mark.parametrize(
    ("video_format", "shape", "dtype"),
    [
        ("bgr24", (4, 6), np.uint8),
        ("bgr24", (4, 6, 4), np.uint8),
        ("bgr24", (1, 4, 6, 3), np.uint8),
        ("bgr24", (0, 6, 3), np.uint8),
        ("bgr24", (4, 6, 3), np.float32),
        ("rgb24", (4, 6, 3), np.int16),
        ("gray", (4, 6, 3), np.uint8),
        ("gray", (4, 0), np.uint8),
        ("gray", (4, 6), bool),
    ],
)
def test_a_picture_that_does_not_fit_is_named(
    video_format: str, shape: tuple[int, ...], dtype: Any
) -> None:
    """A wrong shape or dtype of a picture is refused; both are named, and what is wanted."""
    with pytest.raises(InvalidFrameError) as caught:
        check_video_array(np.zeros(shape, dtype), video_format)
    text = str(caught.value)
    assert str(shape) in text
    assert np.dtype(dtype).name in text
    assert ("(height, width)" in text) == (video_format == "gray")


def test_what_is_no_array_is_no_picture() -> None:
    """A picture is an array; anything else is refused with its type."""
    with pytest.raises(InvalidFrameError, match="list"):
        check_video_array([[0, 0, 0]])
