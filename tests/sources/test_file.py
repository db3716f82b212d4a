"""`FileSource` over real files: formats, rates, channels, joins, loops, and what is no audio."""

from __future__ import annotations

import os
import random
import struct
import threading
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastrtc_core import ConfigurationError, SourceError
from fastrtc_core.sources import Block, FileSource
from fastrtc_core.testing import fit_sine, noise, tone

from .files import collect, joined, ramp, write_audio

NOISE = random.Random(1).randbytes(5000)


def play(*files: Path, **options: object) -> NDArray[np.int16]:
    """All samples of some files."""
    source = FileSource([*files], real_time=False, **options)  # type: ignore[arg-type]
    return joined(collect(source))


def wav(path: Path, data: NDArray[np.int16], rate: int = 48000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((len(data), 2, rate, 0, "NONE", ""))
        file.writeframes(np.ascontiguousarray(data.T).tobytes())
    return path


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 37800, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_wav_is_exact_at_any_rate(tmp_path: Path, rate: int, channels: int) -> None:
    """Every sample, in blocks of 20 ms, the last one shorter."""
    data = ramp(rate // 3, channels)
    source = FileSource(wav(tmp_path / "a.wav", data, rate), real_time=False)
    blocks = collect(source)
    assert joined(blocks).tolist() == data.tolist()
    assert {block.samples for block in blocks[:-1]} == {round(rate / 50)}
    assert {block.sample_rate for block in blocks} == {rate}
    assert source.duration == pytest.approx(data.shape[1] / rate)


@pytest.mark.parametrize(("suffix", "codec"), [("flac", "flac"), ("wv", "wavpack")])
@pytest.mark.parametrize("channels", [1, 2, 4, 8])
def test_lossless_files_are_exact(tmp_path: Path, suffix: str, codec: str, channels: int) -> None:
    """Any number of channels, none mixed or swapped."""
    data = ramp(20000, channels)
    path = write_audio(tmp_path / f"a.{suffix}", data, 44100, codec)
    assert play(path).tolist() == data.tolist()


def test_24_bits_are_rounded(tmp_path: Path) -> None:
    """To the nearest of 16, and full scale does not wrap."""
    wide = (ramp(5000, 2).astype(np.int64) * 256 + 200).clip(-(2**23), 2**23 - 1)
    wide[0, :2] = [2**23 - 1, -(2**23)]
    path = write_audio(tmp_path / "a.wav", (wide * 256).astype(np.int32), 48000, "pcm_s24le", "s32")
    expected = np.minimum((wide + 128) >> 8, 32767)
    assert play(path).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("codec", "tolerance"), [("pcm_u8", 256), ("pcm_f32le", 1), ("pcm_alaw", 700)]
)
def test_other_samples_are_converted(tmp_path: Path, codec: str, tolerance: int) -> None:
    """8 bits, floats, A-law."""
    data = ramp(5000)
    path = write_audio(tmp_path / "a.wav", data, 16000, codec)
    assert np.abs(play(path).astype(int) - data).max() <= tolerance


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.ogg", "libopus", 48000),
        ("a.mp4", "aac", 44100),
        ("a.mp3", "libmp3lame", 22050),
        ("a.webm", "libopus", 48000),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_compressed_files_sound_right(
    tmp_path: Path, name: str, codec: str, rate: int, channels: int
) -> None:
    """The tone is there in each channel, with its length."""
    data = np.concatenate([tone(440 * (1 + n), 1.0, rate, level=0.4).data for n in range(channels)])
    path = write_audio(tmp_path / name, data, rate, codec)
    played = play(path)
    assert len(played) == channels
    assert abs(played.shape[1] / rate - 1.0) < 0.06
    for n, row in enumerate(played):
        middle = row[rate // 4 : rate * 3 // 4]
        amplitude, ratio = fit_sine(middle, 440 * (1 + n), rate)
        assert amplitude == pytest.approx(0.4 * 32768, rel=0.1)
        assert ratio > 20


def test_the_picture_of_a_video_is_left_alone(tmp_path: Path) -> None:
    """Of a file with both, the audio is played; one with a picture alone has none."""
    import av

    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        for _ in range(3):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    source = FileSource(path, real_time=False)
    source.start()
    while source.running:
        time.sleep(0.01)
    with pytest.raises(SourceError, match=r"there is no audio in .*clip\.mp4"):
        source.stop()


@pytest.mark.parametrize("rates", [(48000, 48000), (48000, 44100), (22050, 48000), (8000, 96000)])
def test_files_join_without_a_gap(tmp_path: Path, rates: tuple[int, int]) -> None:
    """A sine that goes on in the second file goes on in the source, at the rate of the first."""
    whole = [tone(500, 1.0, rate, level=0.5).data for rate in rates]
    half = [rates[0] // 2, rates[1] // 2]
    paths = [
        wav(tmp_path / "1.wav", whole[0][:, : half[0]], rates[0]),
        wav(tmp_path / "2.wav", whole[1][:, half[1] :], rates[1]),
    ]
    played = play(*paths)
    assert played.shape == (1, rates[0])
    seam = played[0, half[0] - rates[0] // 50 : half[0] + rates[0] // 50]
    expected = whole[0][0, half[0] - rates[0] // 50 : half[0] + rates[0] // 50]
    assert np.abs(seam.astype(int) - expected).max() < 2500


lengths = st.lists(st.integers(1, 3000), min_size=1, max_size=5)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lengths=lengths, block=st.floats(0.001, 0.1))
def test_any_files_join_exactly(tmp_path: Path, lengths: list[int], block: float) -> None:
    """Whatever their lengths, and whatever the length of the blocks: no sample more or less."""
    whole = ramp(sum(lengths), 2)
    paths, start = [], 0
    for number, length in enumerate(lengths):
        paths.append(wav(tmp_path / f"{number}.wav", whole[:, start : start + length]))
        start += length
    assert play(*paths, block_duration=block).tolist() == whole.tolist()


def test_a_folder_is_played_by_name(tmp_path: Path) -> None:
    """Its audio files alone, in order."""
    data = ramp(3000)
    for number in (2, 0, 1):
        wav(tmp_path / f"{number}.WAV", data[:, number * 1000 : (number + 1) * 1000])
    (tmp_path / "cover.txt").write_text("no sound")
    source = FileSource(tmp_path, real_time=False)
    assert [path.name for path in source.files[0]] == ["0.WAV", "1.WAV", "2.WAV"]
    assert joined(collect(source)).tolist() == data.tolist()


def test_a_folder_or_file_for_each_channel(tmp_path: Path) -> None:
    """Side by side from the first sample on; what ends early is silent."""
    folder = tmp_path / "left"
    folder.mkdir()
    wav(folder / "1.wav", ramp(700))
    wav(folder / "2.wav", ramp(800, start=700))
    right = wav(tmp_path / "right.wav", ramp(1000, 2)[1:])
    both = wav(tmp_path / "both.wav", np.repeat(ramp(1200), 2, axis=0))
    source = FileSource(channels=[folder, right, [both]], real_time=False)
    data = joined(collect(source))
    assert data.shape == (3, 1500)
    assert data[0].tolist() == ramp(1500)[0].tolist()
    assert data[1].tolist() == [*ramp(1000, 2)[1].tolist(), *[0] * 500]
    assert data[2, :1200].tolist() == ramp(1200)[0].tolist()


def test_rate_and_channels_can_be_asked_for(tmp_path: Path) -> None:
    """A sine of 44.1 kHz stereo as 16 kHz mono, as long as it was to the sample."""
    data = tone(440, 0.7, 44100, num_channels=2).data
    path = wav(tmp_path / "a.wav", data, 44100)
    played = play(path, sample_rate=16000, num_channels=1)
    assert played.shape == (1, round(0.7 * 16000))
    _, ratio = fit_sine(played[0, 1000:-1000], 440, 16000)
    assert ratio > 40
    four = play(path, num_channels=4)
    assert four.shape[0] == 4
    assert not four[2:].any()


def test_a_loop_has_no_seam(tmp_path: Path) -> None:
    """Round and round, sample by sample, with a clock that goes on."""
    data = ramp(1700)
    source = FileSource(wav(tmp_path / "a.wav", data), loop=True, real_time=False)
    assert source.duration is None
    blocks: list[Block] = []
    enough = threading.Event()

    def take(block: Block) -> None:
        blocks.append(block)
        if block.end > 10 * 1700:
            enough.set()
            source.stop()

    source.set_callback(take)
    source.start()
    assert enough.wait(5)
    source.stop()
    played = joined(blocks)[0]
    assert played.tolist() == np.resize(data[0], len(played)).tolist()


def test_real_time_is_the_default(tmp_path: Path) -> None:
    """0.3 s take 0.3 s."""
    source = FileSource(wav(tmp_path / "a.wav", ramp(14400)))
    began = time.monotonic()
    collect(source)
    assert 0.25 < time.monotonic() - began < 0.8


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: FileSource(path / "none.wav"), r"there is no file .*none\.wav"),
        (lambda path: FileSource(path), "no audio file in the folder"),
        (lambda path: FileSource([]), "no file to play"),
        (lambda path: FileSource(channels=[]), "nothing to play"),
        (lambda path: FileSource(), "either files or channels"),
        (lambda path: FileSource("a.wav", channels=["b.wav"]), "either files or channels"),
    ],
)
def test_what_is_not_there_is_named_at_once(tmp_path: Path, make: object, text: str) -> None:
    """Before anything starts."""
    with pytest.raises((SourceError, ConfigurationError), match=text):
        make(tmp_path)  # type: ignore[operator]


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"RIFF" + bytes(100), random.Random(1).randbytes(5000)]
)
@pytest.mark.parametrize("loop", [False, True])
def test_what_is_no_audio_is_told(tmp_path: Path, content: bytes, loop: bool) -> None:
    """To `on_error`, and at `stop`; the text names the file."""
    path = tmp_path / "noise.wav"
    path.write_bytes(content)
    source = FileSource(path, loop=loop, real_time=False)
    ended = threading.Event()
    source.on_end = ended.set
    source.start()
    assert ended.wait(5)
    with pytest.raises(SourceError, match=r"noise\.wav"):
        source.stop()


def test_a_file_that_breaks_off_is_played_as_far_as_it_goes(tmp_path: Path) -> None:
    """The rest of an MP3 with damaged packets, and of a WAV that is cut."""
    path = write_audio(tmp_path / "a.mp3", noise(2.0).data, 48000, "libmp3lame")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 300] = NOISE[:300]
    path.write_bytes(content)
    assert play(path).shape[1] > 1.8 * 48000
    cut = wav(tmp_path / "b.wav", ramp(10000))
    cut.write_bytes(cut.read_bytes()[:15000])
    assert 7000 < play(cut).shape[1] < 7500


def test_a_file_is_closed(tmp_path: Path) -> None:
    """Also when it is stopped in the middle."""
    path = wav(tmp_path / "a.wav", ramp(48000))
    source = FileSource(channels=[path, path])
    source.start()
    time.sleep(0.1)
    source.stop()
    held = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is(fd)]
    assert str(path) not in held


def _is(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}") and os.path.exists(f"/proc/self/fd/{fd}")


def test_a_title_in_an_unknown_encoding_is_no_reason_to_refuse_a_file(tmp_path: Path) -> None:
    """Old programs wrote titles in the code page of their machine."""
    data = ramp(4800)
    path = wav(tmp_path / "old.wav", data)
    plain = path.read_bytes()
    title = b"INFOINAM" + struct.pack("<I", 4) + b"\xff\xfe\xe9\0"
    start = plain.index(b"data")
    content = plain[8:start] + b"LIST" + struct.pack("<I", len(title)) + title + plain[start:]
    path.write_bytes(b"RIFF" + struct.pack("<I", len(content)) + content)

    assert play(path).tolist() == data.tolist()
