"""Somebody who calls an agent on this machine, connected as a telephone service would do it."""

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

from _audio import at_rate, read_audio, write_wav
from websockets.exceptions import ConnectionClosed

from fastrtc_core import AudioFrame, ConnectionFailedError
from fastrtc_core.testing import Phone, phone_call
from fastrtc_handlers.tts import EspeakTTS

RATE = 8000  # Hz, of a telephone


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a call may be like."""
    parser.add_argument("--call", action="store_true", help="call the server, instead of being it")
    parser.add_argument("--say", default="book a table for tonight", help="what the caller says")
    parser.add_argument("--play", type=Path, help="a file with that, instead of a voice")
    parser.add_argument("--keys", default="12#", help="the keys that are pressed afterwards")
    parser.add_argument(
        "--impatient", action="store_true", help="press each key while the agent still speaks"
    )
    parser.add_argument(
        "--write", type=Path, help="the file for what is heard, instead of a temporary one"
    )


async def call(options: argparse.Namespace, auth_token: str | None) -> None:
    """Call, have the conversation, and write what was heard."""
    words = read_audio(options.play, RATE) if options.play else speech(options.say)
    url = f"http://{options.host}:{options.port}"
    print(f"Calling the phone agent at {url}", flush=True)
    try:
        async with phone_call(url, auth_token=auth_token) as phone:
            await Conversation(phone).run(words, options.keys, options.impatient)
    except ConnectionFailedError as error:
        raise SystemExit(
            f"{error}\nDoes the server run, with the same TWILIO_AUTH_TOKEN if there is one? "
            "Start it in another terminal: python demo/phone_agent.py"
        ) from None
    write_wav(options.write, phone.recording())


def speech(text: str) -> AudioFrame:
    """The voice of the caller."""
    return at_rate(EspeakTTS("en-us+f3", speed=150).tts(text), RATE)


class Conversation:
    """One call, told line by line with its time in s."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self.began = time.monotonic()
        phone.on_event = self.note
        self.tell(f"the service says: {phone.greeting}" if phone.greeting else "connected")

    async def run(self, words: AudioFrame, keys: str, impatient: bool) -> None:
        """Hear the greeting, speak, press the keys, and hang up, unless the agent does."""
        try:
            await self.hear()
            self.tell(f"the caller speaks for {words.duration:.1f} s")
            await self.phone.speak(words)
            await self.hear(impatient and bool(keys))
            for key in keys:
                if self.phone.ended.is_set():
                    break
                self.tell(f"the caller presses {key}")
                await self.phone.press(key)
                await self.hear(impatient and key != keys[-1])
        except (ConnectionClosed, ConnectionFailedError):
            pass  # the agent has hung up, which is told below
        except TimeoutError as error:
            self.tell(str(error))
        if self.phone.ended.is_set():
            socket = self.phone.socket
            self.tell(f"the agent has hung up ({socket.close_code} {socket.close_reason})")
        else:
            self.tell("the caller hangs up")

    async def hear(self, only_the_beginning: bool = False) -> None:
        """What the agent says next."""
        if only_the_beginning:
            await self.phone.hear(silence=0)
            self.tell("the agent speaks")
            await asyncio.sleep(0.7)
        else:
            heard = await self.phone.hear(silence=1.2)
            self.tell(f"the agent has spoken for {heard.duration:.1f} s")

    def note(self, message: dict[str, Any]) -> None:
        """What the agent tells the service."""
        if message.get("event") == "clear":
            self.tell("clear: what was still to be heard is discarded")
        elif message.get("event") == "mark":
            self.tell(f"mark {message['mark']['name']}: to be told when that was heard")

    def tell(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s   {text}", flush=True)
