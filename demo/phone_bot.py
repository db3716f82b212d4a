"""Phone bot: it greets, understands speech and keys, and hangs up when it is told to.

Without a telephone: start it, and call it from another terminal.

    python demo/phone_bot.py
    python demo/phone_bot.py --call

The call speaks and presses keys by itself, tells what happens, and writes what the caller heard to
a temporary WAV file, or to the one that `--write` names. `--say`, `--play` and `--keys` make it
another call.

With a number of Twilio:

1. Let the server be reached at an https address, through a proxy or a tunnel to its port. If that
   does not hand on the host name (X-Forwarded-Host), set PUBLIC_URL=https://example.org.
2. Set TWILIO_AUTH_TOKEN to the auth token of your account: then nobody else's calls are served.
3. In the console of Twilio, among the settings of the number, under "A call comes in": choose
   "Webhook", https://example.org/telephone/incoming, and "HTTP POST".

Numbers of Telnyx (a TeXML application) and Plivo (an XML application) are pointed at the same
address. They do not sign as Twilio does, so leave TWILIO_AUTH_TOKEN unset for them.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from typing import Any

import _caller
from _cli import arguments, serve
from _commands import GRAMMAR, SENTENCES, answer
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from fastrtc_core import AudioFrame, CloseStream, Stream, TelephoneOptions
from fastrtc_handlers import ReplyOnPause
from fastrtc_handlers.stt import PocketSphinxSTT
from fastrtc_handlers.tts import EspeakTTS

RATE = 8000  # Hz, of a telephone
TOKEN = os.environ.get("TWILIO_AUTH_TOKEN")
MENU = "Press one for the time, two to hear what you said last, or the hash key to hang up."

stt = PocketSphinxSTT(GRAMMAR.format(sentences=f"{SENTENCES} | goodbye"))
tts = EspeakTTS("en-us")


class PhoneBot(ReplyOnPause):
    """One call."""

    def __init__(self) -> None:
        super().__init__(
            self.reply,
            startup_fn=lambda: f"Hello, this is the phone bot. {MENU} Or speak to me.",
            tts=tts,
            input_sample_rate=RATE,
            output_sample_rate=RATE,
        )
        self.last: AudioFrame | None = None

    def reply(self, audio: AudioFrame) -> Iterator[Any]:
        """Answer what the caller said."""
        self.last = audio
        command = stt.stt(audio)
        if command == "goodbye":
            yield from self.goodbye()
        else:
            yield answer(command)

    def on_dtmf(self, digit: str) -> None:
        """A key cuts short whatever is being said."""
        self.interrupt()
        self.say(lambda: self.choose(digit))

    def choose(self, digit: str) -> Iterator[Any]:
        if digit == "1":
            yield time.strftime("It is %H %M.")
        elif digit == "2" and self.last is not None:
            yield "You said:"
            yield self.last
        elif digit == "2":
            yield "You have not said anything yet."
        elif digit == "#":
            yield from self.goodbye()
        else:
            yield f"There is nothing behind that key. {MENU}"

    def goodbye(self) -> Iterator[Any]:
        yield "Thank you for calling. Goodbye."
        yield CloseStream()  # hangs up when that has been heard


stream = Stream(PhoneBot(), modality="audio", mode="send-receive", time_limit=600)
app = FastAPI()
stream.mount(
    app,
    transports=["telephone"],
    telephone=TelephoneOptions(auth_token=TOKEN, public_url=os.environ.get("PUBLIC_URL")),
)


@app.get("/")
async def page() -> PlainTextResponse:
    return PlainTextResponse("A phone bot. Call it with: python demo/phone_bot.py --call\n")


if __name__ == "__main__":
    parser = arguments()
    _caller.add_arguments(parser)
    options = parser.parse_args()
    if options.call:
        asyncio.run(_caller.call(options, TOKEN))
    else:
        serve(app, options)
