"""A short run against a real server, and what is written of a run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import pytest

from benchmarks import __main__ as command
from benchmarks import channels, flashes, measures, tracks, video
from benchmarks.peers import OURS, PEERS, Peer, UnavailableError, python_of, running
from benchmarks.plots import all_plots
from benchmarks.report import markdown, plain

SHORT = measures.Times(settle=0.5, listen=1.0, after_loss=1.0)


def channel_samples() -> list[dict[str, Any]]:
    """In which a participant costs 4 ms a second, and 8 ms more if it speaks; one failed."""
    samples = [
        {
            **meeting._asdict(),
            "delivered": 0.995,
            "cpu": meeting.rooms * (10.0 + 4 * meeting.members + 8 * meeting.speaking),
            "p50": 35.2,
            "p95": None,
        }
        for meeting in channels.plan()
    ]
    samples[8] = {**channels.plan()[8]._asdict(), "refused": "full", "delivered": 0.0}
    return samples


def well(connections: int) -> dict[str, Any]:
    """So many sessions over WebSockets that get all, in time."""
    return {"connections": connections, "p50": 2.5, "p95": 4.0, "delivered": 1.0}


def some_results() -> dict[str, Any]:
    """Of a run in which one peer was skipped, and another lost its figures."""
    return {
        "python": "3.11",
        "floor": 3.3,
        "websocket": {
            OURS: {
                "version": "1.0",
                "mulaw": {
                    "alone": {**well(1), "drift": 0.01},
                    "connections": 160,
                    "samples": [
                        {**well(96), "drift": 0.3},
                        {**well(160), "drift": 40.0},
                        {**well(200), "drift": 0.0, "delivered": 0.9},
                    ],
                },
            },
            "fastrtc": {"skipped": "no network"},
        },
        "tracks": {
            "ours": {"version": "1.0", "pairs": 100, "delivery": {"p50": 0.2, "p99": 0.3}},
            "livekit": {"skipped": "no network"},
        },
        "channels": {"samples": channel_samples(), **channels.costs(channel_samples())},
        "video": {
            "ours": {
                "version": "1.0",
                "samples": [
                    {"connections": 1, "p50": 9.5, "p95": 12.0, "fps": 30.0, "kbps": 750}
                    | {"cpu": 95.0, "per_picture": 3.2},
                ],
            },
            "aiortc": {"skipped": "no network"},
        },
        "peers": {
            OURS: {
                "version": "1.0",
                "idle": 0.1,
                "alone": {"p50": 3.2, "p95": 3.9, "first_media": 43.0},
                "footprint": {"cpu": 9.9, "memory": 0.4},
                "capacity": {"connections": 96},
                "freeze": {"before": 3.2, "after": 3.2},
                "loss": {"5 %": {"rhythm": 1.0, "concealed": 0.05, "heard": 1.0, "p50": 3.2}},
            },
            "fastrtc": {
                "version": "0.0.34 <&>",
                "alone": {"p50": 32.0, "p95": None},
                "footprint": {"cpu": 39.6, "memory": 2.0},
                "loss": {"5 %": {"rhythm": 0.68}},
            },
            "pipecat": {"skipped": "No matching distribution found"},
        },
    }


@pytest.mark.soak
async def test_a_server_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two connections to our echo server: all comes back, soon."""
    monkeypatch.setattr(measures, "LOSSES", {"10 %": measures.LOSSES["10 %"]})
    with running(PEERS[OURS], sys.executable, 0) as server:
        sample = await measures.sample(server, 2, SHORT)
        loss = await measures.loss(server, SHORT)
        assert server.process.cpu() > 0
        assert server.process.memory() > 10
    assert sample["delivered"] > 0.9
    assert 0 < sample["p50"] <= sample["p95"] < 200
    assert loss["10 %"]["concealed"] > 0.02


@pytest.mark.soak
async def test_channels_are_measured() -> None:
    """Two rooms of two who speak and one who is muted, or sends nothing: all hear, and soon."""
    with running(channels.SERVER, sys.executable, 0) as server:
        for muted in (True, False):
            sample = await channels.sample(server, channels.Meeting(3, 2, 2, muted), SHORT)
            assert sample["delivered"] > 0.9
            assert 0 < sample["p50"] <= sample["p95"] < 200
            assert sample["cpu"] > 0


@pytest.mark.soak
async def test_video_is_measured() -> None:
    """Flashes come back, turned upside down, and soon."""
    flashes.loop()
    with running(video.PEERS["ours"], sys.executable, 0) as server:
        sample = await video.sample(server, 1, SHORT)
    assert sample["fps"] > 15
    assert 0 < sample["p50"] <= sample["p95"] < 500
    assert sample["cpu"] > 0
    assert sample["kbps"] > 100


@pytest.mark.soak
def test_the_shade_of_a_picture_is_known_again() -> None:
    """As it was sent, and turned upside down."""
    decoder = av.CodecContext.create("libvpx", "r")
    for number, data in enumerate(flashes.loop()):
        (frame,) = decoder.decode(av.Packet(data))
        shade = number // flashes.FLASH_EVERY % len(flashes.SHADES)
        assert flashes.shade_of(frame) == shade
        assert flashes.flash_in(number) == (None if number % flashes.FLASH_EVERY else shade)
        if number % flashes.FLASH_EVERY == 0:
            turned = frame.to_ndarray(format="bgr24")[::-1].copy()
            again = av.VideoFrame.from_ndarray(turned, "bgr24").reformat(format="yuv420p")
            assert flashes.shade_of(again) == shade


def test_video_in_the_report() -> None:
    text = plain({"video": some_results()["video"]})
    assert "fastrtc-core 1.0" in text
    assert "9.5" in text
    assert "aiortc" not in text


def test_a_server_that_does_not_start_is_named(tmp_path: Path) -> None:
    """The reason is told, and nothing goes on running."""
    nowhere = Peer("Nowhere", "nowhere", str(tmp_path / "nowhere.py"))
    with (
        pytest.raises(UnavailableError, match="status 2"),
        running(nowhere, sys.executable, 0),
    ):
        raise AssertionError


@pytest.mark.soak
def test_a_peer_that_cannot_be_installed_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name, with what pip said; the run goes on."""
    nowhere = Peer("Nowhere", "nowhere", "aiortc_echo.py", (str(tmp_path / "nowhere"),))
    monkeypatch.setitem(PEERS, "fastrtc", nowhere)
    with pytest.raises(UnavailableError, match=r"nowhere"):
        python_of("fastrtc", tmp_path)
    assert "nowhere" in command.run("fastrtc", tmp_path, SHORT)["skipped"]


def test_the_report_has_every_figure() -> None:
    """Ratios are ours to theirs; what was not measured is a dash."""
    text = plain(some_results())
    (line,) = (
        line for line in text.splitlines() if line.startswith("echo latency") and "p50" in line
    )
    assert line.split()[-3:] == ["3.2", "32", "0.1"]
    assert "Pipecat was skipped: No matching distribution found." in text
    assert "uses 3.00 times as much" in text
    sessions = [line.split()[-1] for line in text.splitlines() if line.startswith("JSON: sess")]
    assert sessions == ["96", "160"]
    table = [line for line in markdown(some_results()).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table[:10]}) == 1
    assert any("–" in line for line in table)


def test_plots_are_well_formed() -> None:
    """XML that a browser reads, with a bar for each peer that was measured."""
    plots = all_plots(some_results())
    for svg in plots.values():
        ElementTree.fromstring(svg)
    bars = ElementTree.fromstring(plots["cpu.svg"]).iter("{http://www.w3.org/2000/svg}rect")
    widths = [float(bar.attrib["width"]) for bar in bars]
    assert len(widths) == 3, "ours, FastRTC, the floor"
    assert widths[0] / widths[1] == pytest.approx(9.9 / 39.6, rel=0.01)


def test_what_a_participant_costs() -> None:
    """By differences; without the meetings that they need, there is no figure."""
    found = channels.costs(channel_samples())
    assert found == {"silent": 4.0, "speaking": 12.0, "ratio": 0.333}
    without = [one for one in channel_samples() if one["speaking"] != channels.MORE_SPEAK.speaking]
    assert channels.costs(without) == {"silent": 4.0, "speaking": None, "ratio": None}
    assert channels.costs([]) == {"silent": None, "speaking": None, "ratio": None}
    assert channels.slope([(1, 3), (2, 5), (3, 7)]) == 2
    assert channels.slope([(1, 3), (1, 5)]) is None


def test_the_median_of_meetings() -> None:
    """Of each figure; what never came is the most; a meeting that failed once has none."""
    one = {**channels.MORE_SPEAK._asdict(), "cpu": 5.0, "p50": None}
    passes = [one, one | {"cpu": 1.0, "p50": 3.0}, one | {"cpu": 9.0, "p50": 4.0}]
    assert channels.middle(passes) == one | {"cpu": 5.0, "p50": 4.0}
    refused = {**channels.MORE_SPEAK._asdict(), "refused": "full", "delivered": 0.0}
    assert channels.middle([*passes, refused]) == refused


def test_channels_in_the_report_and_the_plot() -> None:
    """A line for each meeting; a dot for each that did not fail, in two panels."""
    text = plain({"channels": some_results()["channels"]})
    assert "echo latency" not in text
    (line,) = (
        line for line in text.splitlines() if line.startswith("one room of 32, 4 speaking  ")
    )
    assert line.split()[-4:] == ["170", "99.5", "35", "–"]
    assert "12.00 ms of CPU a second if it speaks, and 4.00 ms if it does not: 0.33" in text
    (svg,) = all_plots({"channels": some_results()["channels"]}).values()
    dots = list(ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}circle"))
    assert len(dots) == len(channels.SIZES) + len(channels.ROOMS) - 1
    heights = [float(dot.attrib["cy"]) for dot in dots[: len(channels.SIZES)]]
    assert heights == sorted(heights, reverse=True)


def test_a_part_is_renewed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results of the others stay."""
    page = tmp_path / "page.md"
    page.write_text(f"{command.START}{command.END}")
    monkeypatch.setattr(command, "PAGE", page)
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results.json")
    command.write_docs(some_results())
    before = page.read_text()
    fresh = some_results()["channels"] | {"silent": 1.25}
    command.write_docs({"channels": fresh})
    assert page.read_text() == before.replace("4.00 ms", "1.25 ms")
    assert json.loads((tmp_path / "results.json").read_text())["channels"]["silent"] == 1.25


def test_the_page_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands between the two marks, and nothing else; results and plots beside it."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{command.START}\nstale\n{command.END}\nafter\n")
    monkeypatch.setattr(command, "PAGE", page)
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results.json")
    command.write_docs(some_results())
    text = page.read_text()
    assert text.startswith(f"before\n{command.START}\n")
    assert text.endswith(f"{command.END}\nafter\n")
    assert "stale" not in text
    assert "| echo latency" in text
    assert json.loads((tmp_path / "results.json").read_text()) == some_results()
    assert (tmp_path / "loss.svg").exists()


def test_the_page_of_this_project_has_the_marks() -> None:
    """And shows every plot."""
    text = command.PAGE.read_text()
    assert text.index(command.START) < text.index(command.END)
    for name in all_plots(some_results()):
        assert f"benchmarks/{name}" in text


@pytest.mark.parametrize("pairs", [0, 2])
def test_tracks_without_a_network(pairs: int) -> None:
    """A short run of ours: everything arrives, and soon."""
    found = json.loads(
        subprocess.run(
            [sys.executable, str(tracks.SCRIPT), "ours", str(pairs), "2"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    if pairs:
        assert found["delivered"] > 0.9
        assert found["us_per_frame"] > 0
    else:
        assert 0 < found["p50"] <= found["p99"]
