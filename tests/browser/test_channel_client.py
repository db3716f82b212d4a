"""`Channel` of the browser client: two pages and a member of the server's process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .support import BrowserPage, OpenAnyPage, Server, serving

JOIN = """async ([uid, name]) => {
  window.told = [];
  window.channel = new Channel({ channel: "room", uid, name });
  for (const type of ["user_joined", "user_left", "stream_message", "chat_message", "transcript",
                      "track_muted", "user_mute_audio", "error"])
    channel.addEventListener(type, ({ detail }) => told.push({ type, ...detail }));
  return await channel.connect();
}"""

# A file that is not the same anywhere, and what stands for it.
FILE = """(size) => {
  const bytes = new Uint8Array(size);
  let state = 1;
  for (let index = 0; index < size; index++) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    bytes[index] = state >> 16;
  }
  return bytes;
}"""
DIGEST = """async (bytes) => {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((one) => one.toString(16).padStart(2, "0")).join("");
}"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("channel") as server:
        yield server
        assert "Traceback" not in server.log.read_text()


def join(open_any_page: OpenAnyPage, server: Server, uid: int, name: str) -> BrowserPage:
    page = open_any_page(server.url)
    page.wait_for_function("Boolean(window.Channel)")
    assert page.evaluate(JOIN, [uid, name])
    return page


def told(page: BrowserPage, type: str) -> list[dict[str, Any]]:
    """What a page was told, under a name."""
    found: list[dict[str, Any]] = page.evaluate(
        "(type) => told.filter((one) => one.type === type)", type
    )
    return found


def test_who_is_there_and_what_is_written(server: Server, open_any_page: OpenAnyPage) -> None:
    """Users by uid, the chat so far, updates in their place, and who leaves."""
    ada = join(open_any_page, server, 1, "Ada")
    assert ada.evaluate("channel.uid") == 1
    bot = {"name": "Bot", "tracks": ["microphone"], "muted": []}
    assert ada.evaluate("[...channel.users]") == [[9, bot]]
    assert ada.evaluate("channel.sendChatMessage('Hello', { id: 'a' })")
    ada.wait_for_function("channel.chat.length === 1")
    bob = join(open_any_page, server, 2, "Bob")
    ada.wait_for_function("channel.users.has(2)")
    assert told(ada, "user_joined")[0]["user"]["name"] == "Bob"
    assert [one["text"] for one in bob.evaluate("channel.chat")] == ["Hello"]
    ada.evaluate("channel.sendChatMessage('Hello, Bob', { id: 'a' })")
    bob.wait_for_function("channel.chat[0].text === 'Hello, Bob'")
    assert bob.evaluate("channel.chat.length") == 1
    bob.evaluate("channel.disconnect()")
    ada.wait_for_function("!channel.users.has(2)")
    assert told(ada, "user_left")[0]["user"]["name"] == "Bob"
    assert bob.evaluate("[channel.uid, channel.users.size, channel.state]") == [0, 0, "closed"]
    assert not bob.evaluate("channel.sendChatMessage('late')")
    assert bob.evaluate("channel.connect()")  # as often as wanted
    ada.wait_for_function("channel.users.has(2)")


def test_long_messages_go_in_parts(server: Server, open_any_page: OpenAnyPage) -> None:
    """Both ways, whatever is in them, to all or to one; one that is too long is refused."""
    ada, bob = join(open_any_page, server, 1, "Ada"), join(open_any_page, server, 2, "Bob")
    text = 'Größe "5" \\ 中 😀\n\x01' * 4000
    assert ada.evaluate("(text) => channel.sendStreamMessage(text, { msgId: 'long' })", text)
    bob.wait_for_function("told.some((one) => one.type === 'stream_message')")
    (message,) = told(bob, "stream_message")
    assert (message["uid"], message["msg_id"]) == (1, "long")
    assert message["data"] == text
    bob.evaluate("channel.sendStreamMessage('short', { to: 1 })")
    ada.wait_for_function("told.some((one) => one.type === 'stream_message')")
    assert told(ada, "stream_message")[0]["data"] == "short"
    assert ada.evaluate(
        """() => {
          try { channel.sendStreamMessage("x".repeat(300000)); }
          catch (error) { return error.name; }
        }"""
    ) == "RangeError"  # fmt: skip
    assert told(ada, "error") == told(bob, "error") == []


def test_calls_both_ways(server: Server, open_any_page: OpenAnyPage) -> None:
    """A page calls the server, which calls it back; pages call each other; errors have codes."""
    ada, bob = join(open_any_page, server, 1, "Ada"), join(open_any_page, server, 2, "Bob")
    for page in (ada, bob):
        page.evaluate(
            """() => {
              channel.registerRpcMethod("name", async ({ payload }) => `${payload} ${channel.uid}`);
              channel.registerRpcMethod("refuse", async () => {
                throw new RpcError(5, "no", "why");
              });
              channel.registerRpcMethod("never", () => new Promise(() => {}));
            }"""
        )
    assert ada.evaluate("channel.performRpc(9, 'ask', 'Ada')") == "Ada 1 called"
    assert ada.evaluate("channel.performRpc(2, 'name', 'you are')") == "you are 2"
    failed = """([uid, method, payload, responseTimeout]) =>
      channel.performRpc(uid, method, payload, { responseTimeout }).then(
        () => null, ({ name, code, message, data }) => [name, code, message, data])"""
    for call, expected in (
        ([9, "refuse", "x", 5], [77, "not today", "x"]),
        ([2, "refuse", "", 5], [5, "no", "why"]),
        ([2, "none", "", 5], [1400, "no method 'none'", ""]),
        ([77, "name", "", 5], [1401, "there is no user 77", ""]),
        ([2, "name", "x" * 16000, 5], [1402, "A payload has up to 15360 bytes.", ""]),
        ([2, "never", "", 0.2], [1502, "No answer in 0.2 s.", ""]),
    ):
        assert ada.evaluate(failed, call) == ["RpcError", *expected]
    ada.evaluate(
        f"() => {{ window.waiting = ({failed})([2, 'never', '', 60]); }}"
    )  # answered when Bob leaves
    bob.evaluate("channel.disconnect()")
    assert ada.evaluate("waiting") == ["RpcError", 1503, "User 2 has left.", ""]


def test_calls_of_one_keep_no_other_from_a_page(server: Server, open_any_page: OpenAnyPage) -> None:
    """Sixteen of one caller run at once; the signal of each says when its caller waits no longer,
    and what ends takes no room."""
    ada, bob = join(open_any_page, server, 1, "Ada"), join(open_any_page, server, 2, "Bob")
    ada.evaluate(
        """() => {
          window.ended = [];
          channel.registerRpcMethod("never", ({ caller, signal }) => new Promise(() => {
            signal.addEventListener("abort", () => ended.push(caller));
          }));
          channel.registerRpcMethod("name", async () => "Ada");
        }"""
    )
    assert ada.evaluate("channel.performRpc(9, 'crowd', '')") == str(100 - 16)
    ada.wait_for_function("ended.length === 16")
    assert ada.evaluate("channel.performRpc(9, 'crowd', '')") == str(100 - 16)
    ada.wait_for_function("ended.length === 32")
    bob.evaluate(
        """() => { for (let call = 0; call < 20; call++)
          channel.performRpc(1, "never", "", { responseTimeout: 60 }).catch(() => {}); }"""
    )
    assert ada.evaluate("channel.performRpc(9, 'ask', 'I am')") == "Ada called"
    ada.evaluate("ended.length = 0")
    bob.evaluate("channel.disconnect()")
    ada.wait_for_function("ended.length === 16")
    assert ada.evaluate("ended") == [2] * 16


def test_what_was_said_is_told(server: Server, open_any_page: OpenAnyPage) -> None:
    """With the uid of who spoke and of who wrote it down."""
    ada, bob = join(open_any_page, server, 1, "Ada"), join(open_any_page, server, 2, "Bob")
    ada.evaluate("channel.performRpc(9, 'say', 'Hello')")
    said = {"text": "Hello", "final": False, "start": 1.5, "end": None, "role": "user"}
    for page in (ada, bob):
        page.wait_for_function("told.some((one) => one.type === 'transcript')")
        (event,) = told(page, "transcript")
        assert event == {"type": "transcript", "uid": 1, "by": 9, **said}


def test_a_file_from_page_to_page(server: Server, open_any_page: OpenAnyPage) -> None:
    """A megabyte arrives byte by byte, with what is said of it and progress on both sides."""
    ada, bob = join(open_any_page, server, 1, "Ada"), join(open_any_page, server, 2, "Bob")
    bob.evaluate(
        f"""() => {{
          window.got = new Promise((resolve) => {{
            channel.registerByteStreamHandler("file", async (reader, uid) => {{
              const steps = [];
              reader.onProgress((received, total) => steps.push([received, total]));
              const bytes = await reader.readAll();
              const digest = await ({DIGEST})(bytes);
              resolve({{ uid, info: reader.info, length: bytes.length, digest, steps }});
            }});
          }});
        }}"""
    )
    size = 1_234_567
    sent = ada.evaluate(
        f"""async (size) => {{
          const bytes = ({FILE})(size);
          const file = new File([bytes], "größe.bin", {{ type: "image/png" }});
          const steps = [];
          const onProgress = (sent, total) => steps.push([sent, total]);
          const options = {{ topic: "file", to: 2, attributes: {{ a: "b" }}, onProgress }};
          const info = await channel.sendFile(file, options);
          return {{ info, steps, digest: await ({DIGEST})(bytes) }};
        }}""",
        size,
    )
    got = bob.evaluate("got")
    assert (got["digest"], got["length"], got["uid"]) == (sent["digest"], size, 1)
    assert got["info"] == sent["info"]
    assert (got["info"]["name"], got["info"]["mimeType"]) == ("größe.bin", "image/png")
    assert got["info"]["attributes"] == {"a": "b"}
    for steps in (got["steps"], sent["steps"]):
        assert steps == sorted(steps)
        assert len(steps) > 20
        assert steps[-1] == [size, size]
    assert told(ada, "error") == told(bob, "error") == []


def test_texts_to_and_from_the_server(server: Server, open_any_page: OpenAnyPage) -> None:
    """A long text comes back changed; one that is written bit by bit is read bit by bit."""
    ada, bob = join(open_any_page, server, 1, "Ada"), join(open_any_page, server, 2, "Bob")
    text = 'grün "5" \\ 中 😀\n\x01' * 10_000
    back = ada.evaluate(
        """async (text) => {
          const got = new Promise((resolve) => {
            channel.registerTextStreamHandler("echo", async (reader, uid) =>
              resolve([await reader.readAll(), uid]));
          });
          await channel.sendText(text, { to: 9, topic: "echo" });
          return got;
        }""",
        text,
    )
    assert back == [text.upper(), 9]
    bob.evaluate(
        """() => {
          window.pieces = [];
          channel.registerTextStreamHandler("", async (reader) => {
            for await (const piece of reader) pieces.push(piece);
            pieces.push("end");
          });
        }"""
    )
    ada.evaluate("async () => { window.writer = await channel.streamText({ to: [2] }); }")
    for count, word in enumerate(("one ", "two ", "three"), 1):
        ada.evaluate("(word) => writer.write(word)", word)
        bob.wait_for_function("(count) => pieces.length === count", arg=count)
    ada.evaluate("writer.close()")
    bob.wait_for_function("pieces.at(-1) === 'end'")
    assert bob.evaluate("pieces") == ["one ", "two ", "three", "end"]


def test_a_slow_reader_holds_a_page_back(server: Server, open_any_page: OpenAnyPage) -> None:
    """Twenty pieces a second, and no more than a window ahead."""
    ada = join(open_any_page, server, 1, "Ada")
    took = ada.evaluate(
        """async () => {
          const begun = performance.now();
          await channel.sendFile(new Blob([new Uint8Array(400_000)]), { to: 9, topic: "slow" });
          return (performance.now() - begun) / 1000;
        }"""
    )
    assert took > 40 * 0.05 * 0.8


def test_streams_that_fail(server: Server, open_any_page: OpenAnyPage) -> None:
    """Nobody takes it, the reader gives up, somebody leaves: each side learns why."""
    ada, bob = join(open_any_page, server, 1, "Ada"), join(open_any_page, server, 2, "Bob")
    bob.evaluate(
        """() => {
          window.failures = [];
          channel.registerByteStreamHandler("first", async (reader) => {
            for await (const piece of reader) break;
          });
          channel.registerByteStreamHandler("all", async (reader) => {
            try { for await (const piece of reader); }
            catch (error) { failures.push(error.message); }
          });
        }"""
    )
    failed = """([topic, to, size]) =>
      channel.sendFile(new Blob([new Uint8Array(size)]), { topic, to }).then(
        () => null, ({ name, message }) => [name, message])"""
    nobody = "nobody receives the stream: user "
    for call, expected in (
        (["none", 2, 9], f"{nobody}2: nobody takes bytes of the topic 'none'"),
        (["none", 9, 9], f"{nobody}9: nobody takes bytes of the topic 'none'"),
        (["first", 2, 100_000], f"{nobody}2: its handler has ended"),
        (["first", 5, 9], "there is no other user 5"),
    ):
        assert ada.evaluate(failed, call) == ["StreamError", expected]
    assert ada.evaluate(failed, ["all", 2, 0]) is None
    begin = """async () => {
      window.writer = await channel.streamBytes("x", { topic: "all", to: 2 });
    }"""
    ada.evaluate(begin)
    ada.evaluate("writer.write(new Uint8Array(9))")
    ada.evaluate("writer.close('no more')")
    bob.wait_for_function("failures.length === 1")
    ada.evaluate(begin)
    ada.evaluate("writer.write(new Uint8Array(9))")
    ada.evaluate("channel.disconnect()")
    bob.wait_for_function("failures.length === 2")
    assert bob.evaluate("failures") == ["the sender has ended it: no more", "user 1 has left"]
    assert "the channel was left" in ada.evaluate("writer.close().catch(({ message }) => message)")


@pytest.mark.soak
def test_sixteen_files_at_once(server: Server, open_any_page: OpenAnyPage) -> None:
    """They all arrive, and nobody is dropped for being slow."""
    ada, bob = join(open_any_page, server, 1, "Ada"), join(open_any_page, server, 2, "Bob")
    bob.evaluate(
        """() => {
          window.sizes = [];
          channel.registerByteStreamHandler("", async (reader) => {
            sizes.push((await reader.readAll()).length);
          });
        }"""
    )
    ada.evaluate(
        """() => Promise.all(Array.from({ length: 20 }, (_, number) =>
             channel.sendFile(new Blob([new Uint8Array(100_000 + number)]), { to: 2 })))"""
    )
    assert sorted(bob.evaluate("sizes")) == [100_000 + number for number in range(20)]
    assert told(ada, "error") == told(bob, "error") == []


def test_pages_are_told_who_mutes(server: Server, open_any_page: OpenAnyPage) -> None:
    """Whichever way it was muted, before or after it joined; and late joiners, too."""
    ada = join(open_any_page, server, 1, "Ada")
    bob = join(open_any_page, server, 2, "Bob")
    ada.evaluate("channel.mute()")
    bob.wait_for_function("channel.users.get(1).muted.includes('microphone')")
    bob.wait_for_function("told.some(({ type, muted }) => type === 'user_mute_audio' && muted)")
    late = join(open_any_page, server, 3, "Eve")
    assert late.evaluate("channel.users.get(1).muted") == ["microphone"]
    assert [one["uid"] for one in told(late, "track_muted")] == [1]
    ada.evaluate("channel.connection.mute('audio', false)")
    bob.wait_for_function("channel.users.get(1).muted.length === 0")
    ada.evaluate("channel.disconnect(); channel.mute()")
    bob.wait_for_function("!channel.users.has(1)")
    assert ada.evaluate("channel.connect()")
    bob.wait_for_function("channel.users.get(1)?.muted.includes('microphone')")
    assert not told(ada, "error")
