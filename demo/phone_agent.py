"""Phone agent: a restaurant whose telephone is answered by a voice agent with tools.

It works offline, can be interrupted, understands keys as well, and hangs up when it is told to.

Without a telephone: start it, and call it from another terminal.

    python demo/phone_agent.py
    python demo/phone_agent.py --call

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

import _caller
from _cli import arguments, serve
from _restaurant import GRAMMAR, TOOLS, model
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from fastrtc_core import Stream, TelephoneOptions
from fastrtc_handlers import TurnOptions, VoiceAgent
from fastrtc_handlers.stt import PocketSphinxSTT
from fastrtc_handlers.tts import EspeakTTS

RATE = 8000  # Hz, of a telephone
TOKEN = os.environ.get("TWILIO_AUTH_TOKEN")
MENU = "Press one for our hours, two for your table, or the hash key to hang up."
KEYS = {"1": "When do you open?", "2": "Have I booked a table?", "#": "Goodbye."}

stt = PocketSphinxSTT(GRAMMAR)
tts = EspeakTTS("en-us")


class PhoneAgent(VoiceAgent):
    """One call."""

    def __init__(self) -> None:
        super().__init__(
            model=model,
            stt=stt,
            tts=tts,
            tools=TOOLS,
            greeting=f"Hello, this is the restaurant. {MENU} Or say: book a table for tonight.",
            algo_options=TurnOptions(draft_after=0.2),
            input_sample_rate=RATE,
            output_sample_rate=RATE,
        )

    def on_dtmf(self, digit: str) -> None:
        """A key is a turn like one that is spoken, and cuts short whatever is being said."""
        if digit in KEYS:
            self.add_text(KEYS[digit])
        else:
            self.interrupt()
            self.announce(f"There is nothing behind that key. {MENU}")


stream = Stream(PhoneAgent(), modality="audio", mode="send-receive", time_limit=600)
app = FastAPI()
stream.mount(
    app,
    transports=["telephone"],
    telephone=TelephoneOptions(auth_token=TOKEN, public_url=os.environ.get("PUBLIC_URL")),
)


@app.get("/")
async def page() -> PlainTextResponse:
    return PlainTextResponse("A phone agent. Call it with: python demo/phone_agent.py --call\n")


if __name__ == "__main__":
    parser = arguments()
    _caller.add_arguments(parser)
    options = parser.parse_args()
    if options.call:
        asyncio.run(_caller.call(options, TOKEN))
    else:
        serve(app, options)
