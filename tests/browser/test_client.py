"""The browser client on a plain page: its life, its messages, and its errors in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Playwright

from fastrtc_core.testing import fit_sine

from .conftest import OpenPage
from .support import FLAGS, BrowserPage, OpenAnyPage, Server, chromium_path, record, serving

# Notes everything that a connection says, and what it takes from the browser.
PREPARE = """() => {
  window.seen = [];
  window.taken = { tracks: [], contexts: [], peers: [] };
  window.make = (options) => {
    const connection = window.connection = new Connection(options);
    for (const type of ["state", "error", "warning", "message", "end_stream", "send_input"])
      connection.addEventListener(type, ({ detail }) => seen.push([type, detail]));
    return connection;
  };
  const ask = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
  if (ask) navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await ask(constraints);
    taken.tracks.push(...stream.getTracks());
    return stream;
  };
  const noted = { AudioContext: taken.contexts, RTCPeerConnection: taken.peers };
  for (const [name, list] of Object.entries(noted)) {
    const Original = window[name];
    window[name] = class extends Original {
      constructor(...args) { super(...args); list.push(this); }
    };
  }
}"""
NOTHING_RUNS = """() => taken.tracks.every((track) => track.readyState === "ended")
  && taken.contexts.every((context) => context.state === "closed")
  && taken.peers.every((peer) => peer.connectionState === "closed")"""


def prepare(page: BrowserPage) -> None:
    page.wait_for_function("!!window.Connection")
    page.evaluate(PREPARE)


@pytest.fixture(scope="module", autouse=True)
def abandoned(browser: Browser) -> Iterator[Page]:
    """A page whose server was killed; from the start, as it takes ten seconds to be noticed."""
    page = browser.new_context(permissions=["microphone"]).new_page()
    with serving("page") as server:
        page.goto(server.url)
        prepare(page)
        assert connect(page)
    yield page
    page.context.close()


@pytest.fixture
def page(page_server: Server, open_any_page: OpenAnyPage) -> Iterator[BrowserPage]:
    """In each of the browsers."""
    page = open_any_page(page_server.url)
    prepare(page)
    yield page
    page.evaluate("window.connection?.close()")
    page.wait_for_function(NOTHING_RUNS)


@pytest.fixture
def chromium_page(page_server: Server, open_page: OpenPage) -> Iterator[Page]:
    page = open_page(page_server.url)
    prepare(page)
    yield page
    page.evaluate("window.connection?.close()")
    page.wait_for_function(NOTHING_RUNS)


def connect(page: BrowserPage, **options: Any) -> bool:
    connected: bool = page.evaluate("(options) => make(options).connect()", options)
    return connected


def seen(page: BrowserPage, type: str) -> list[Any]:
    found: list[Any] = page.evaluate(
        "(type) => seen.filter(([one]) => one === type).map(([, detail]) => detail)", type
    )
    return found


def wait_for(page: BrowserPage, type: str, detail: Any = None) -> None:
    """Wait until an event of this type was seen, with this detail if one is given."""
    page.wait_for_function(
        "([type, detail]) => seen.some(([one, its]) => one === type"
        " && (detail === null || JSON.stringify(its) === detail))",
        arg=[
            type,
            None
            if detail is None
            else json.dumps(detail, separators=(",", ":"), ensure_ascii=False),
        ],
    )


def test_finds_its_server_by_its_own_address(page: BrowserPage, page_server: Server) -> None:
    """Without options it talks to the stream that served it, and leaves nothing when closed."""
    assert connect(page)
    assert page.evaluate("connection.id")
    assert page_server.get("/sessions/echo") == "1"
    page.evaluate("connection.close()")
    page.wait_for_function(NOTHING_RUNS)
    assert [one["state"] for one in seen(page, "state")] == ["connecting", "connected", "closed"]
    for _ in range(50):
        if page_server.get("/sessions/echo") == "0":
            break
        page.wait_for_timeout(50)
    else:
        pytest.fail("the server did not notice the end within 2.5 s")


def test_messages_go_both_ways(page: BrowserPage) -> None:
    """Any JSON value arrives; an error of the handler is an event and ends nothing."""
    assert connect(page, args=[1, "two"])
    wait_for(page, "message", {"args": [1, "two"]})
    assert page.evaluate("connection.send({ text: 'häßlich', list: [1, null] })")
    wait_for(page, "message", {"heard": {"text": "häßlich", "list": [1, None]}})
    page.evaluate("connection.send('fail')")
    wait_for(page, "error")
    [error] = seen(page, "error")
    assert error == {"code": "handler", "message": "This failed on purpose.", "fatal": False}
    page.evaluate("connection.send('still here')")
    wait_for(page, "message", {"heard": "still here"})


# Sends a message and returns the next one that comes, as numbers if it is binary.
EXCHANGE = """async (make) => {
  const back = new Promise((resolve) => {
    connection.addEventListener("message", ({ detail }) => resolve(detail), { once: true });
  });
  if (!connection.send(eval(make))) return "not sent";
  const detail = await back;
  return detail instanceof ArrayBuffer ? [...new Uint8Array(detail)] : detail;
}"""


def test_bytes_go_both_ways(page: Page) -> None:
    """A buffer or a view of one goes out as bytes, and an `ArrayBuffer` comes back; JSON stays."""
    assert connect(page, modality="text")
    wait_for(page, "message")  # its greeting
    for value, back in (
        ("new Uint8Array([0, 255, 123]).buffer", [123, 255, 0]),
        ("new Uint8Array([9, 1, 2, 9]).subarray(1, 3)", [2, 1]),
        ("new Int16Array([258])", [1, 2]),
        ("new DataView(new ArrayBuffer(3), 1)", [0, 0]),
        ("new Uint8Array(0)", []),
        ("'text'", {"heard": "text"}),
        ('new TextEncoder().encode(\'{"type": "message", "data": 5}\')', {"heard": 5}),
    ):
        assert page.evaluate(EXCHANGE, value) == back, value
    size = 65_536
    assert len(page.evaluate(EXCHANGE, f"new Uint8Array({size})")) == size
    problem = page.evaluate(
        "() => { try { connection.send(new Blob(['x'])); } "
        "catch ({ name, message }) { return [name, message]; } }"
    )
    assert problem == [
        "TypeError",
        "Send `await blob.arrayBuffer()`: a Blob has to be read first.",
    ]
    assert seen(page, "error") == []


def test_what_cannot_be_sent_is_told_in_words(page: Page) -> None:
    """What is larger than the server takes, and what is too much at once; the session goes on."""
    assert connect(page, modality="text")
    wait_for(page, "message")
    for value in ("new Uint8Array(65537)", "'x'.repeat(65536)", "'ü'.repeat(32760)"):
        assert page.evaluate(f"connection.send({value})") is False
    assert page.evaluate("connection.send('ü'.repeat(32700))")
    told = seen(page, "error")
    assert [(one["code"], one["fatal"]) for one in told] == [("message-too-large", False)] * 3
    assert told[0]["message"] == (
        "A message of 65537 bytes was not sent: the server takes up to 65536."
    )
    sent = page.evaluate(
        """() => {
          let sent = 0;
          while (sent < 1000 && connection.send(new Uint8Array(65536))) sent++;
          return [sent, connection.bufferedAmount];
        }"""
    )
    assert 60 <= sent[0] <= 100  # 4 MiB, and what has left at once
    assert 3 << 20 < sent[1] <= 4 << 20
    [error] = seen(page, "error")[3:]
    assert error["code"] == "too-many-messages"
    assert error["message"].endswith("bytes wait to be sent already.")
    page.wait_for_function("connection.bufferedAmount === 0")
    page.evaluate("connection.send('still here')")
    wait_for(page, "message", {"heard": "still here"})
    page.evaluate("connection.close()")
    assert page.evaluate("[connection.send(new Uint8Array(1)), connection.bufferedAmount]") == [
        False,
        0,
    ]


def test_inputs_are_sent_when_the_server_asks(page: BrowserPage) -> None:
    """`send_input` is answered with the last inputs."""
    assert connect(page, args=["old"])
    page.evaluate("connection.args = ['new']; connection.send('ask')")
    wait_for(page, "message", {"args": ["new"]})


def test_text_alone_is_a_session(page: BrowserPage) -> None:
    """Modality `text` opens the data channel and asks for no device."""
    assert connect(page, modality="text")
    page.evaluate("connection.send('hello')")
    wait_for(page, "message", {"heard": "hello"})
    assert page.evaluate("taken.tracks.length + taken.contexts.length") == 0


def test_send_only_receives_no_track(page: BrowserPage) -> None:
    """Mode `send` sends and plays nothing."""
    assert connect(page, offer="/send/webrtc/offer", mode="send")
    assert page.evaluate("connection.localStream.getTracks().length") == 1
    assert page.evaluate("connection.remoteStream.getTracks().length") == 0


@pytest.mark.parametrize("asked", [True, False])
def test_stereo_stays_stereo(page: BrowserPage, asked: bool) -> None:
    """Each tone of the server is heard on its own side alone, and after a later offer still is.

    A browser mixes down what its own description does not ask for, so the client asks always.
    """
    options = {"offer": "/tones/webrtc/offer", "mode": "receive", "stereo": asked}
    assert connect(page, **options)
    assert page.evaluate("taken.tracks.length") == 0
    for again in (False, True):
        if again:
            page.evaluate(
                """async () => {
                  const canvas = document.createElement("canvas");
                  canvas.getContext("2d").fillRect(0, 0, 160, 120);
                  window.screenTrack = canvas.captureStream(5).getVideoTracks()[0];
                  await connection.publish(screenTrack, { name: "beside it" });
                  screenTrack.stop();
                }"""
            )
        page.wait_for_timeout(700)
        sides = record(page, "[connection.remoteStream]", 1.0, rate=48000, channels=2)
        spectra = np.abs(np.fft.rfft(sides[:, -24000:] * np.hanning(24000)))
        loudest = spectra.argmax(axis=1) * 2
        assert list(loudest) == [500, 2000]
        assert spectra[0, 1000] < spectra[0, 250] / 30
        assert spectra[1, 250] < spectra[1, 1000] / 30


def test_a_shared_screen_comes_and_goes(page: BrowserPage) -> None:
    """The handler sees it and learns of its end; and it can be shared again."""
    assert connect(page, offer="/gallery/webrtc/offer")
    page.evaluate(
        """async () => {
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [160, 120];
          const context = canvas.getContext("2d");
          window.drawing = setInterval(() => {
            context.fillStyle = "white";
            context.fillRect(0, 0, 160, 120);
          }, 50);
          window.screenTrack = canvas.captureStream(20).getVideoTracks()[0];
          taken.tracks.push(screenTrack);
          await connection.publish(screenTrack, { name: "my screen" });
        }"""
    )
    wait_for(page, "message", {"shares": "screen_share", "name": "my screen"})
    page.wait_for_function(
        "seen.some(([type, detail]) => type === 'message' && detail.brightness > 200)"
    )
    again = page.evaluate(
        "connection.publish(screenTrack).then(() => '', ({ message }) => message)"
    )
    assert again == "A track is published as screen_share already."
    page.evaluate("connection.unpublish(screenTrack)")
    wait_for(page, "message", {"ended": "screen_share"})
    page.evaluate("connection.publish(screenTrack, { name: 'once more' })")
    wait_for(page, "message", {"shares": "screen_share", "name": "once more"})
    # As often as wanted, through the same section; and a refused one is undone.
    counts = page.evaluate(
        """async () => {
          const counts = [];
          const pc = await new Promise((resolve) => {
            const original = RTCPeerConnection.prototype.setLocalDescription;
            RTCPeerConnection.prototype.setLocalDescription = function (...args) {
              RTCPeerConnection.prototype.setLocalDescription = original;
              resolve(this);
              return original.apply(this, args);
            };
            connection.unpublish(screenTrack);
          });
          for (let round = 0; round < 12; round++) {
            await connection.publish(screenTrack, { name: `round ${round}` });
            counts.push(pc.getTransceivers().length);
            await connection.unpublish(screenTrack);
            const refused = await connection
              .publish(screenTrack, { name: "x".repeat(300) })
              .then(() => "", ({ message }) => message);
            if (!refused.includes("a name has up to")) throw new Error(refused);
          }
          await connection.publish(screenTrack, { name: "the last" });
          counts.push(pc.getTransceivers().length, pc.signalingState);
          return counts;
        }"""
    )
    assert counts == [counts[0]] * 13 + ["stable"]
    wait_for(page, "message", {"shares": "screen_share", "name": "the last"})
    page.evaluate("seen.length = 0")
    page.wait_for_function(
        "seen.some(([type, detail]) => type === 'message' && detail.brightness > 200)"
    )
    page.evaluate("clearInterval(drawing); screenTrack.stop()")


def test_the_server_publishes_a_second_voice(page: BrowserPage) -> None:
    """It is an event with its name, sounds as it should, and goes again."""
    assert connect(page, offer="/gallery/webrtc/offer")
    page.evaluate(
        """() => {
          connection.addEventListener("track", ({ detail }) => {
            if (!detail.sid) return;
            seen.push(["published", { name: detail.name, source: detail.source }]);
            window.music = detail.track;
          });
          connection.addEventListener("untrack", ({ detail: { name } }) => {
            seen.push(["untrack", name]);
          });
          connection.send("music");
        }"""
    )
    wait_for(page, "published", {"name": "music", "source": "screen_share_audio"})
    # A remote track sounds only where an element plays it.
    page.evaluate(
        """async () => {
          const audio = new Audio();
          audio.srcObject = new MediaStream([music]);
          await audio.play();
        }"""
    )
    page.wait_for_timeout(700)
    (sound,) = record(page, "[new MediaStream([music])]", 1.0, rate=48000)
    assert fit_sine(sound[-24000:], 1000, 48000).snr > 20
    page.evaluate("connection.send('stop')")
    wait_for(page, "untrack", "music")


def test_the_server_ends_the_stream(page: BrowserPage) -> None:
    """The server's last words are the reason of the state `closed`."""
    assert connect(page, offer="/farewell/webrtc/offer", mode="receive")
    wait_for(page, "state", {"state": "closed", "reason": "That was all."})


def test_the_time_limit_ends_the_session(page: BrowserPage) -> None:
    """Why the server closes is said in words."""
    assert connect(page, offer="/brief/webrtc/offer")
    reason = "The session has reached its time limit."
    wait_for(page, "state", {"state": "closed", "reason": reason})


def test_mute_sends_silence(page: BrowserPage) -> None:
    """What is muted is neither sent nor metered, and stays muted over a reconnect."""
    assert connect(page)
    page.evaluate("connection.mute('audio'); connection.mute('speaker')")
    page.wait_for_timeout(300)
    heard = (
        "new Promise((resolve) => connection.addEventListener('level', (e) => resolve(e.detail)))"
    )
    assert page.evaluate(heard)["local"] == 0
    page.evaluate("connection.close()")
    assert page.evaluate("connection.connect()")
    assert page.evaluate("connection.localStream.getTracks()[0].enabled") is False
    assert page.evaluate("connection.audio.muted") is True


def test_starting_twice_is_starting_once(page: BrowserPage, page_server: Server) -> None:
    """A second `connect()` joins the first."""
    page.evaluate("make({})")
    assert page.evaluate("Promise.all([connection.connect(), connection.connect()])") == [True] * 2
    assert page.evaluate("connection.connect()") is True
    assert page.evaluate("taken.peers.length") == 1


def test_closing_while_connecting(page: BrowserPage) -> None:
    """A close at any moment of connecting ends in `closed`, with nothing left running."""
    for wait in (0, 5, 20, 60, 150):
        result = page.evaluate(
            """async (wait) => {
              const connected = make({}).connect();
              await new Promise((resolve) => setTimeout(resolve, wait));
              const early = connection.state === "connecting";
              connection.close();
              return [early, await connected, connection.state];
            }""",
            wait,
        )
        early, connected, state = result
        assert state == "closed"
        assert connected is not early
    page.wait_for_function(NOTHING_RUNS)
    assert seen(page, "error") == []


def test_ice_servers_of_the_server(page: BrowserPage) -> None:
    """`rtcConfiguration: "server"` takes the ICE servers that the server names."""
    page.evaluate(
        "async () => { window.Connection = (await import('/ice/webrtc/client.js')).Connection }"
    )
    assert connect(page, rtcConfiguration="server")
    servers = page.evaluate("taken.peers[0].getConfiguration().iceServers.flatMap((s) => s.urls)")
    assert servers == ["stun:127.0.0.1:3478"]


def test_a_lost_device_is_told(chromium_page: Page) -> None:
    """A microphone that is unplugged is an error in words; another one can take over."""
    assert connect(chromium_page)
    chromium_page.evaluate("taken.tracks[0].dispatchEvent(new Event('ended'))")
    wait_for(chromium_page, "error")
    [error] = seen(chromium_page, "error")
    assert error["code"] == "device-lost"
    assert "microphone was disconnected" in error["message"]
    chromium_page.evaluate(
        "Connection.devices().then(({ audio }) => connection.setDevice('audio', audio[2].deviceId))"
    )
    chromium_page.wait_for_function(
        "connection.localStream.getTracks()[0].label === 'Fake Audio Input 2'"
    )
    assert chromium_page.evaluate("connection.state") == "connected"


def test_closing_while_a_device_is_chosen(page: BrowserPage) -> None:
    """What was opened for it is released, and nothing is told of it."""
    assert connect(page)
    page.evaluate("""async () => {
      const replace = RTCRtpSender.prototype.replaceTrack;
      RTCRtpSender.prototype.replaceTrack = async function (track) {
        window.chosen = track;
        connection.close();
        await replace.call(this, track).catch(() => {}); // it is closed
      };
      const { audio } = await Connection.devices();
      await connection.setDevice("audio", audio.at(-1).deviceId);
    }""")
    assert page.evaluate("chosen.readyState") == "ended"
    assert page.evaluate("connection.state") == "closed"
    assert seen(page, "error") == []


# --- failures ---------------------------------------------------------------------------------


def failure(page: BrowserPage, **options: Any) -> dict[str, Any]:
    """The error of a connection that must fail."""
    assert not connect(page, **options)
    [error] = seen(page, "error")
    assert error["fatal"] is True
    assert seen(page, "state")[-1] == {"state": "failed", "reason": error["message"]}
    page.wait_for_function(NOTHING_RUNS)
    found: dict[str, Any] = error
    return found


def test_full_server(page: BrowserPage, page_server: Server, open_any_page: OpenAnyPage) -> None:
    """The concurrency limit is named."""
    other = open_any_page(page_server.url)
    other.wait_for_function("!!window.Connection")
    options = {"offer": "/limited/webrtc/offer"}
    script = "(options) => (window.first = new Connection(options)).connect()"
    assert other.evaluate(script, options)
    error = failure(page, **options)
    assert error["code"] == "concurrency_limit_reached"
    assert "server is full" in error["message"]


def test_wrong_modality(page: BrowserPage) -> None:
    """A stream that does not serve what is offered says so itself."""
    error = failure(page, offer="/tones/webrtc/offer", modality="video")
    assert error["code"] == "wrong_modality"


def test_no_server(chromium_page: Page) -> None:
    """An address where nobody listens."""
    chromium_page.unroute_all()
    error = failure(chromium_page, offer="http://127.0.0.1:9/webrtc/offer")
    assert error["message"] == "The server cannot be reached."


def test_answer_that_is_none(page: BrowserPage) -> None:
    """A page of a proxy instead of an answer."""
    error = failure(page, offer="/broken/offer")
    assert error["message"] == "The server answered with 502 Bad Gateway."


def test_silent_server(chromium_page: Page) -> None:
    """A server that never answers is given up after ten seconds."""
    chromium_page.clock.install()
    chromium_page.route("**/silent", lambda route: None)
    with chromium_page.expect_request("**/silent"):
        chromium_page.evaluate("() => { window.result = make({ offer: '/silent' }).connect() }")
    chromium_page.clock.fast_forward(10_000)
    assert chromium_page.evaluate("result") is False
    [error] = seen(chromium_page, "error")
    assert error["message"] == "The server did not answer within 10 seconds."


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NotFoundError", "No microphone was found."),
        ("NotReadableError", "The microphone is in use by another program."),
        ("OverconstrainedError", "The microphone cannot do what is asked of it."),
    ],
)
def test_device_failures(page: BrowserPage, name: str, message: str) -> None:
    """What the browser names in one word is said in a sentence."""
    page.evaluate(
        "(name) => { navigator.mediaDevices.getUserMedia = async () => {"
        " throw new DOMException('', name) } }",
        name,
    )
    assert failure(page)["message"] == message


def test_insecure_page(page_server: Server, open_page: OpenPage) -> None:
    """A page on plain http:// gets no microphone, and is told why."""
    page = open_page(f"http://insecure.test:{page_server.port}")
    prepare(page)
    assert "https://" in failure(page)["message"]


@pytest.fixture(scope="module")
def denying_browser(playwright: Playwright) -> Iterator[Browser]:
    denied = ["--use-fake-ui-for-media-stream=deny"]
    running = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS + denied)
    yield running
    running.close()


def test_permission_denied(denying_browser: Browser, page_server: Server) -> None:
    """A user who says no is told where to say yes."""
    page = denying_browser.new_page()
    page.goto(page_server.url)
    prepare(page)
    error = failure(page)
    assert error["code"] == "permission-denied"
    assert "microphone" in error["message"]
    page.close()


def test_server_gone(abandoned: Page) -> None:
    """A server that vanishes is noticed and named as the reason; all is released."""
    abandoned.wait_for_function("connection.state === 'failed'", timeout=25_000)
    assert seen(abandoned, "error")[-1]["message"] == "The connection to the server was lost."
    states = [detail["state"] for detail in seen(abandoned, "state")]
    assert states[-2:] == ["reconnecting", "failed"], "some seconds before, the page was told"
    abandoned.wait_for_function(NOTHING_RUNS)
