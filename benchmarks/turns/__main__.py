"""Measure turn-taking on conversations made of recorded speech.

    python -m benchmarks.turns --recordings FOLDER [--music FOLDER] [--words FOLDER] [--docs]

Settings are tuned on two thirds of the speakers; the others are reported alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastrtc_core.testing.conversations import RATE
from fastrtc_handlers.vad import SileroVAD

from ..peers import UnavailableError
from .conditions import CONDITIONS, CONVERSATIONS, Material, Tape, gather, tapes
from .interruptions import interruptions
from .others import OTHERS, judge_other, title_of
from .report import write_docs, written
from .rules import RULES, chunked, judge, ours, plain, steady
from .sessions import through_session

SILENCES = (0.3, 0.4, 0.5, 0.58, 0.7, 1.0)
CURVES = ("clean", "pink noise 10 dB", "telephone")
COMPARED = ("clean", "babble 10 dB")
"""Where the detectors of others run; elsewhere their rules do, on the scores of our model."""
IN_A_SESSION = ("clean", "babble 10 dB", "one talker 15 dB", "music 0 dB")
OF_OTHERS = 4
"""Conversations that the detectors of others hear."""
INTERRUPTED = ("clean", "pink noise 10 dB", "telephone")
FRAME = RATE // 50


def measure(
    material: Material,
    names: Sequence[str],
    count: int,
    others: Sequence[str],
    environments: Path,
    keep: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Everything, for the speakers that settings were tuned on and for the others.

    What there is so far is kept after each condition.
    """
    results: dict[str, Any] = {
        "speakers": {"tuning": material.tuning, "held out": material.held_out},
        "seeds": count,
        "music": "recorded" if material.music else "synthetic",
        "titles": {},
        "conditions": {},
        "curves": {},
        "interruptions": {},
        "cpu": cost(tapes(material, "clean", material.tuning, 1)[0]),
    }
    for name in others:
        try:
            results["titles"][name] = title_of(name, environments)
        except UnavailableError as error:
            print(f"{name} was skipped: {error}")
    for name in names:
        started = time.monotonic()
        heard = tapes(material, name, material.tuning, count)
        held = tapes(material, name, material.held_out, count)
        row: dict[str, Any] = {
            rule: judge(function, heard).summary() for rule, function in RULES.items()
        }
        row["held out"] = judge(ours(), held).summary()
        for other in results["titles"] if name in COMPARED else ():
            row[other] = judge_other(other, heard[:OF_OTHERS], environments).summary()
        if name in IN_A_SESSION:
            row["session"] = same_in_a_session(heard[0])
        results["conditions"][name] = row
        if name in CURVES:
            results["curves"][name] = curves(heard)
        if name in INTERRUPTED:
            results["interruptions"][name] = {
                "tuning": interruptions(heard),
                "held out": interruptions(held),
            }
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
        keep(results)
    return results


def curves(heard: Sequence[Tape]) -> dict[str, list[tuple[float, int, int | None]]]:
    """Silence in s, utterances that were split, and the delay in ms (p50) of each rule."""
    found: dict[str, list[tuple[float, int, int | None]]] = {}
    for silence in SILENCES:
        for name, rule in (
            ("ours", steady(silence)),
            ("LiveKit's rule", plain(silence, smoothing=0.35)),
            ("Pipecat's rule", plain(silence, threshold=0.7, release=0.7, min_speech=0.2)),
            ("FastRTC's rule", chunked(silence)),
        ):
            figures = judge(rule, heard).summary()
            found.setdefault(name, []).append((silence, figures["split"], figures["p50"]))
    return found


def same_in_a_session(tape: Tape) -> bool:
    """Whether a session decides the same as the detector alone, within a frame or two."""
    alone, whole = ours()(tape), through_session(tape)
    return len(alone) == len(whole) and all(
        abs(one.decided - other.decided) <= 2 * FRAME and abs(one.start - other.start) <= 2 * FRAME
        for one, other in zip(alone, whole, strict=True)
    )


def cost(tape: Tape) -> float:
    """CPU in ms of a second of a conversation: the whole detector."""
    vad, frames = SileroVAD(), list(tape.conversation.frames())
    started = time.process_time()
    for frame in frames:
        vad.push(frame)
    return 1000 * (time.process_time() - started) / tape.conversation.audio.duration


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.turns",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recordings", type=Path, required=True, help="speech: speaker-….flac")
    parser.add_argument("--music", type=Path, help="recorded music; synthetic when left out")
    parser.add_argument("--words", type=Path, help="single words, for backchannels")
    parser.add_argument("--only", default=";".join(CONDITIONS), help="conditions, with ; between")
    parser.add_argument("--seeds", type=int, default=CONVERSATIONS, help="conversations of each")
    parser.add_argument("--others", default=",".join(OTHERS), help="detectors to install and run")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--docs", action="store_true", help="renew docs/turns.md")
    parser.add_argument("--from", dest="source", type=Path, help="take results from this file")
    cache = Path.home() / ".cache" / "fastrtc-core-benchmarks"
    parser.add_argument("--environments", type=Path, default=cache, help="where they are installed")
    parser.add_argument("--cache", type=Path, default=cache / "turns", help="where tapes are kept")
    options = parser.parse_args()

    def keep(found: dict[str, Any]) -> None:
        if options.json is not None:
            options.json.write_text(json.dumps(found, indent=1) + "\n")

    if options.source is not None:
        results = json.loads(options.source.read_text())
    else:
        material = gather(options.recordings, options.cache, options.music, options.words)
        others = [name for name in options.others.split(",") if name]
        names = options.only.split(";")
        results = measure(material, names, options.seeds, others, options.environments, keep)
    print(written(results))
    keep(results)
    if options.docs:
        write_docs(results)


if __name__ == "__main__":
    main()
