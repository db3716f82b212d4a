"""Look for datagrams that break a rule, by coverage: `python -m tests.fuzz.ice [DATAGRAMS]`.

Needs `pip install atheris`. What it finds stands in `crash-*`; play it with `--play FILE`.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["fastrtc_core.webrtc.connectivity", "fastrtc_core.webrtc.port"]
):
    from .datagrams import Story

REPORT_EVERY = 60.0  # s


def main() -> None:
    if sys.argv[1:2] == ["--play"]:
        Story(Path(sys.argv[2]).read_bytes()).play()
        return
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    began = told = time.monotonic()
    datagrams = stories = 0

    def one(data: bytes) -> None:
        nonlocal datagrams, stories, told
        story = Story(data)
        story.play()
        datagrams += story.datagrams
        stories += 1
        now = time.monotonic()
        if now - told > REPORT_EVERY or datagrams >= wanted:
            told = now
            print(f"{datagrams} datagrams in {stories} stories, {now - began:.0f} s", flush=True)
        if datagrams >= wanted:
            os._exit(0)  # libFuzzer does not end by itself

    with tempfile.TemporaryDirectory() as corpus:
        dice = random.Random(1)
        for number in range(50):
            Path(corpus, str(number)).write_bytes(dice.randbytes(2000))
        atheris.Setup(
            [sys.argv[0], "-max_len=3000", "-len_control=0", "-rss_limit_mb=1024", corpus], one
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
