"""Transcribe a file: its words and when they are said, as fast as they are recognised.

    python demo/transcribe_file.py talk.mp3

Without a file, a voice says some days of the week. Offline, these are all it knows; for free speech
set STT_MODEL to one of the recognisers of `get_stt_model`, such as moonshine/base,
faster-whisper/base.en or openai.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from fastrtc_core import FastRTCError, Stream
from fastrtc_core.sources import FileSource
from fastrtc_handlers import Transcriber
from fastrtc_handlers.stt import PocketSphinxSTT, Transcript, get_stt_model
from fastrtc_handlers.tts import EspeakTTS

GRAMMAR = """#JSGF V1.0;
grammar words;
public <words> = (monday | tuesday | wednesday | thursday | friday | saturday | sunday)+;
"""


def show(transcript: Transcript) -> None:
    """Print what was said, once it is certain."""
    if transcript.final and transcript.text:
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")  # in the place of the progress, which comes again below
        print(f"{transcript.start:7.1f} s  {transcript.text}", flush=True)


def say_something(folder: str) -> Path:
    """A file to transcribe, for who has none."""
    path = Path(folder) / "days.wav"
    path.write_bytes(EspeakTTS("en-us+f3", speed=150).tts("monday tuesday friday").to_wav_bytes())
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", nargs="?", help="an audio or video file, or a folder of them")
    parser.add_argument("--real-time", action="store_true", help="listen at the pace of the sound")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    options = parser.parse_args()
    name = os.environ.get("STT_MODEL")
    stt = get_stt_model(name) if name else PocketSphinxSTT(GRAMMAR)
    stream = Stream(Transcriber(stt), modality="audio", mode="send")
    with tempfile.TemporaryDirectory() as folder:
        source = FileSource(options.file or say_something(folder), real_time=options.real_time)
        stream.run_source(source, channels="mix", on_output=show, progress=not options.quiet)


if __name__ == "__main__":
    try:
        main()
    except FastRTCError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
