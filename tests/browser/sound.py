"""A sound server of its own for a browser: PulseAudio without a sound card.

Its speakers are nobody's, and its microphone hears what the tests play to it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MICROPHONE = "Microphone"
RATE = 48000  # Hz
START_TIMEOUT = 20.0  # s


def has_sound_server() -> bool:
    """Whether PulseAudio is installed."""
    return shutil.which("pulseaudio") is not None and shutil.which("paplay") is not None


class SoundServer:
    """A daemon with a socket and files of its own, also for root; the user's own is left alone.

    Args:
        folder: Where its files go; empty.
    """

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "native"
        own = {name: str(folder) for name in ("HOME", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH")}
        self.environment = own | {"PULSE_SERVER": f"unix:{self._socket}"}
        self._log = folder / "pulseaudio.log"
        modules = (
            f"module-native-protocol-unix socket={self._socket} auth-anonymous=1",
            f"module-null-sink sink_name=speakers rate={RATE} norewinds=1",
            f"module-null-sink sink_name=room rate={RATE} norewinds=1",
            # Firefox takes no monitor for a microphone.
            "module-remap-source master=room.monitor source_name=microphone"
            f" source_properties=device.description={MICROPHONE}",
        )
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        options += ["--disable-shm=yes", "--log-target=stderr"]
        for module in modules:
            options += ["-L", module]
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start("pulseaudio", *options, settings=own)
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            ended = self._processes[0].poll() is not None
            if ended or time.monotonic() > deadline:
                self.close()
                raise RuntimeError(f"PulseAudio does not run:\n{self._log.read_text()}")
            time.sleep(0.05)

    def play(self, path: Path) -> None:
        """Let the microphone hear a WAV file over and over."""
        loop = 'while paplay --latency-msec=50 --device=room "$0"; do :; done'
        self._start("sh", "-c", loop, str(path), settings=self.environment)

    def close(self) -> None:
        """End the daemon; whatever plays ends with it."""
        self._processes[0].terminate()
        for process in self._processes:
            process.wait()

    def _answers(self) -> bool:
        asked = subprocess.run(
            ["pactl", "list", "short", "sources"],
            env=os.environ | self.environment,
            capture_output=True,
            check=False,
        )
        return b"microphone" in asked.stdout

    def _start(self, *command: str, settings: dict[str, str]) -> None:
        with self._log.open("a") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | settings,
            )
        self._processes.append(process)


@contextmanager
def running_sound(folder: Path) -> Iterator[SoundServer]:
    """A sound server that is ended at the end."""
    server = SoundServer(folder)
    try:
        yield server
    finally:
        server.close()
