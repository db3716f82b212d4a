"""Several widgets on a page of one's own, and what each of them shows."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from .axe import violations_in_both_schemes
from .conftest import OpenPage, Screenshot
from .support import Server

SCRIPT = Path(__file__).with_name("widgets_server.py")
CONNECTION = "(id) => document.querySelector(`#${id} [data-part=root]`).connection"


@pytest.fixture(scope="module")
def widgets() -> Iterator[Server]:
    server = Server(SCRIPT)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.kill()


def widget(page: Page, name: str) -> Locator:
    return page.locator(f"#{name}")


def status(one: Locator) -> Locator:
    return one.locator("[data-part=status]")


def start(one: Locator) -> None:
    one.get_by_role("button", name="Start").click()
    expect(status(one)).to_have_text("Connected")


def of_connection(page: Page, name: str, what: str) -> object:
    found: object = page.evaluate(f"(id) => ({CONNECTION})(id).{what}", name)
    return found


def write(agent: Locator, text: str) -> None:
    agent.get_by_label("Type a message").fill(text)
    agent.get_by_label("Type a message").press("Enter")


@pytest.mark.soak
def test_an_agent_is_seen(widgets: Server, open_page: OpenPage, screenshot: Screenshot) -> None:
    """What it does and says, what was cut off, how soon it answers; keys, and the line."""
    page = open_page(f"{widgets.url}/own/", viewport={"width": 1100, "height": 1400})
    agent = widget(page, "agent")
    activity, log = agent.locator("[data-part=activity]"), agent.get_by_role("log")
    expect(log).to_be_hidden()
    expect(agent.get_by_label("Type a message")).to_be_hidden()
    start(agent)
    expect(activity).to_have_text("Listening")

    write(agent, "what is new")
    expect(activity).to_have_text("Looking it up…")
    expect(activity).to_have_text("Speaking")
    expect(agent.get_by_text(re.compile(r"Answered after [01]\.\d s"))).to_be_visible()
    lines = log.locator("p")
    expect(lines).to_have_text(["You what is new", re.compile("Agent This is the first")])
    expect(page.get_by_label("Log")).to_have_value("Ada, turn 1")
    expect(lines.nth(1)).to_contain_text("And this is the second")
    write(agent, "stop")
    expect(lines.nth(1).locator("del")).to_have_text(re.compile(r"\w+.* to its end\."))
    # Where the time went is told to who points at it.
    expect(agent.locator("[data-part=answers]")).to_have_attribute("title", re.compile(r"\d+ ms"))
    assert (
        "This is the first sentence of the answer." not in lines.nth(1).locator("del").inner_text()
    )
    expect(activity).to_have_text("Speaking")
    expect(page.get_by_label("Log")).to_have_value("Ada, turn 2")  # a `gr.State` has counted
    assert violations_in_both_schemes(page, "#agent") == []
    screenshot(page, "widget-agent")
    expect(activity).to_have_text("Listening")

    # Nothing is heard but while the button is held.
    talk = agent.get_by_role("button", name="Hold to talk")
    enabled = "localStream.getAudioTracks()[0].enabled"
    assert of_connection(page, "agent", enabled) is False
    talk.hover()
    page.mouse.down()
    expect(talk).to_have_attribute("aria-pressed", "true")
    assert of_connection(page, "agent", enabled) is True
    page.wait_for_timeout(1500)
    page.mouse.up()
    expect(lines.nth(4)).to_have_text("You About 2 s of speech.")
    assert of_connection(page, "agent", enabled) is False
    talk.press(" ")  # a key does the same; so short a press says nothing
    expect(talk).to_have_attribute("aria-pressed", "false")

    agent.get_by_role("button", name="Choose devices").click()
    expect(
        agent.get_by_text(re.compile(r"^\d+ ms round trip · \d+(\.\d)? % lost$"))
    ).to_be_visible()
    agent.get_by_label("Volume").fill("30")
    assert of_connection(page, "agent", "audio.volume") == 0.3
    slow = "new Map([['p', { type: 'candidate-pair', selected: true, currentRoundTripTime: 0.9 }]])"
    page.evaluate(f"(id) => {{ ({CONNECTION})(id).getStats = async () => {slow}; }}", "agent")
    expect(agent.get_by_text("Weak connection: 900 ms round trip")).to_be_visible()
    agent.get_by_role("button", name="Stop").click()
    expect(status(agent)).to_have_text("Ended")
    expect(lines.first).to_be_visible()  # what was said can still be read
    expect(talk).to_be_hidden()


@pytest.mark.soak
def test_several_on_a_page(widgets: Server, open_page: OpenPage, screenshot: Screenshot) -> None:
    """In tabs, hidden and shown: each has its session, and no notice covers another."""
    page = open_page(f"{widgets.url}/own/", viewport={"width": 1100, "height": 1400})
    agent, echo, camera, last = (widget(page, one) for one in ("agent", "echo", "camera", "last"))
    for one in (agent, echo, last):
        start(one)
    session = of_connection(page, "echo", "id")
    page.get_by_role("tab", name="Camera").click()
    start(camera)
    expect(camera.get_by_label("Video from the server")).to_be_visible()
    shape = """() => {
      const { width, height } =
        document.querySelector("#camera [data-part=stage]").getBoundingClientRect();
      return width / height;
    }"""
    page.wait_for_function(f"Math.abs(({shape})() - 16 / 9) < 0.02")
    camera.get_by_role("button", name="Full screen").click()
    page.wait_for_function("document.fullscreenElement?.matches('#camera [data-part=stage]')")
    write_error(page, "camera", "Seen in full screen.")
    expect(page.get_by_role("alert").get_by_text("Seen in full screen.")).to_be_visible()
    camera.get_by_role("button", name="Full screen").click()
    page.wait_for_function("document.fullscreenElement === null")

    page.get_by_role("tab", name="Echo").click()
    expect(status(echo)).to_have_text("Connected")
    assert of_connection(page, "echo", "id") == session  # it went on unseen

    write(agent, "fail")
    write_error(page, "echo", "So did the echo.")
    expect(page.get_by_role("alert")).to_have_count(3)
    boxes = [alert.bounding_box() for alert in page.get_by_role("alert").all()]
    tops = sorted((box["y"], box["y"] + box["height"]) for box in boxes if box)
    assert all(below[0] >= above[1] for above, below in itertools.pairwise(tops))
    screenshot(page, "widgets-several")

    page.get_by_label("hidden").check()
    expect(last).to_be_hidden()
    page.wait_for_timeout(1500)
    assert of_connection(page, "last", "state") == "connected"
    page.evaluate(f"(id) => {{ window.kept = ({CONNECTION})(id); }}", "last")
    page.get_by_label("gone").check()
    expect(last).to_have_count(0)
    page.wait_for_function("window.kept.state === 'closed'")
    page.get_by_label("shown").check()
    start(last)
    expect(last.get_by_label("Video from the server")).to_be_visible()
    expect(status(agent)).to_have_text("Connected")


def write_error(page: Page, name: str, text: str) -> None:
    detail = f"new CustomEvent('error', {{ detail: {{ message: '{text}' }} }})"
    page.evaluate(f"(id) => ({CONNECTION})(id).dispatchEvent({detail})", name)


@pytest.mark.soak
def test_devices_before_start(widgets: Server, open_page: OpenPage, screenshot: Screenshot) -> None:
    """The panel shows whether they work, and lets go of them; then the session takes them."""
    page = open_page(f"{widgets.url}/own/", viewport={"width": 390, "height": 1400})
    page.get_by_role("tab", name="Camera").click()
    camera = widget(page, "camera")
    level = camera.get_by_role("meter", name="Level of your microphone")
    expect(level).to_be_hidden()
    camera.get_by_role("button", name="Choose devices").click()
    expect(camera.get_by_label("Your camera")).to_be_visible()
    page.wait_for_function("(meter) => meter.ariaValueNow > 30", arg=level.element_handle())
    camera.get_by_role("combobox", name="Microphone").select_option("Fake Audio Input 2")
    assert violations_in_both_schemes(page, "#camera") == []
    screenshot(page, "widget-preview")
    page.evaluate(
        "window.seen = document.querySelector('#camera [data-part=local-video]').srcObject"
    )
    start(camera)
    assert page.evaluate("window.seen.getTracks().every((track) => track.readyState === 'ended')")
    label = "localStream.getAudioTracks()[0].label"
    assert of_connection(page, "camera", label) == "Fake Audio Input 2"
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0, "the page must not scroll sideways"
    assert violations_in_both_schemes(page, "#camera") == []


@pytest.mark.soak
@pytest.mark.parametrize("width", [1100, 390])
def test_looks(widgets: Server, open_page: OpenPage, screenshot: Screenshot, width: int) -> None:
    """Colours, words and an icon of one's own; they can be read, however bright they are."""
    page = open_page(f"{widgets.url}/looks/", viewport={"width": width, "height": 800})
    expect(page.get_by_text("Ada is in")).to_be_visible()
    button = page.get_by_role("button", name="Call Ada")
    expect(button).to_be_visible()
    expect(page.locator("[data-icon=own]")).to_be_visible()
    assert violations_in_both_schemes(page) == []
    button.click()
    expect(page.get_by_text("Connected")).to_be_visible()
    expect(page.get_by_text("Me", exact=True)).to_be_visible()
    assert violations_in_both_schemes(page) == []
    screenshot(page, f"widget-looks-{width}")
