"""Firefox, driven over WebDriver BiDi, with as much of Playwright's page as the tests need.

Firefox serves BiDi itself, so there is no driver between the two. Its pages hear and play through
the sound server of `sound.py`: without one its audio context never runs.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

from .sound import MICROPHONE

START_TIMEOUT = 60.0  # s
COMMAND_TIMEOUT = 60.0  # s; as long as the slowest test waits in a page
TIMEOUT = 15.0  # s; as the tests have it in Chromium

OPTIONS = ["--headless", "--no-remote", "--remote-debugging-port", "0"]

PREFERENCES: dict[str, bool | int | str] = {
    # Devices: the microphone of the sound server, a camera of Firefox's own, and no questions.
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.audio_loopback_dev": MICROPHONE,
    "media.autoplay.default": 0,
    "media.getusermedia.audio.processing.aec.enabled": False,
    "media.getusermedia.audio.processing.agc.enabled": False,
    "media.getusermedia.audio.processing.noise.enabled": False,
    # Peers on this machine.
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    # Every page is in front of somebody.
    "dom.min_background_timeout_value": 4,
    "dom.timeout.enable_budget_timer_throttling": False,
    "widget.windows.window_occlusion_tracking.enabled": False,
    # Nothing leaves this machine: what is no loopback address goes to a proxy that is none.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.prefetch-next": False,
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.discovery.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "browser.search.update": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "media.gmp-provider.enabled": False,
    "services.settings.server": "http://127.0.0.1:9/",
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "http://127.0.0.1:9/",
}

# Runs an expression, or a function with its argument, as Playwright does.
_EVALUATE = """async (source, argument) => {
  let value = (0, eval)(source);
  if (typeof value === "function") value = value(JSON.parse(argument));
  return JSON.stringify((await value) ?? null);
}"""

# The same, over and over until something comes of it; says whether it did.
_WAIT = """async (source, argument, seconds) => {
  const end = performance.now() + 1000 * seconds;
  for (;;) {
    let value = (0, eval)(source);
    if (typeof value === "function") value = value(JSON.parse(argument));
    if (await value) return "true";
    if (performance.now() > end) return "false";
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}"""


def firefox_path() -> str | None:
    """The browser, if there is one."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


class PageError(Exception):
    """What the script of a page raised, or a command that Firefox refused."""


class FirefoxPage:
    """A window of its own, with cookies and storage of its own."""

    def __init__(self, browser: Firefox) -> None:
        self._browser = browser
        self._user = browser.command("browser.createUserContext")["userContext"]
        created = browser.command("browsingContext.create", type="window", userContext=self._user)
        self._context: str = created["context"]

    def goto(self, url: str) -> None:
        """Open an address and wait until all of it is there."""
        self._browser.command(
            "browsingContext.navigate", context=self._context, url=url, wait="complete"
        )

    def evaluate(self, expression: str, arg: Any = None) -> Any:
        """The value of an expression, of a function with `arg`, or of the promise of either."""
        return json.loads(self._call(_EVALUATE, expression, json.dumps(arg)))

    def wait_for_function(
        self, expression: str, *, arg: Any = None, timeout: float | None = None
    ) -> None:
        """Wait until an expression is true; `timeout` is in ms."""
        seconds = TIMEOUT if timeout is None else timeout / 1000
        if self._call(_WAIT, expression, json.dumps(arg), seconds) != "true":
            raise TimeoutError(f"after {seconds:g} s this was still not so: {expression}")

    def wait_for_timeout(self, timeout: float) -> None:
        """Wait for some milliseconds."""
        self.evaluate("(wait) => new Promise((resolve) => setTimeout(resolve, wait))", timeout)

    def close(self) -> None:
        """Close the window."""
        self._browser.command("browser.removeUserContext", userContext=self._user)

    @property
    def errors(self) -> list[str]:
        """What its scripts raised and did not catch."""
        return [
            event["text"]
            for event in self._browser.events("log.entryAdded")
            if event["source"].get("context") == self._context
            and (event["type"], event["level"]) == ("javascript", "error")
        ]

    @property
    def requests(self) -> list[str]:
        """The addresses that it asked for."""
        return [
            event["request"]["url"]
            for event in self._browser.events("network.beforeRequestSent")
            if event["context"] == self._context
        ]

    def _call(self, function: str, *values: Any) -> str:
        result = self._browser.command(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[
                {"type": "string" if isinstance(value, str) else "number", "value": value}
                for value in values
            ],
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if result["type"] == "exception":
            raise PageError(result["exceptionDetails"]["text"])
        text: str = result["result"]["value"]
        return text


class Firefox:
    """One browser, by its BiDi connection: one thing at a time."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._events: list[dict[str, Any]] = []
        self.command("session.new", capabilities={})
        names = ["log.entryAdded", "network.beforeRequestSent"]
        self.command("session.subscribe", events=names)

    def new_page(self) -> FirefoxPage:
        """A window that shows nothing yet."""
        return FirefoxPage(self)

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What a command of BiDi results in; events that come before are kept."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(COMMAND_TIMEOUT))
            if message.get("id") == number:
                break
            if message["type"] == "event":
                self._events.append(message)
        if message["type"] == "error":
            raise PageError(f"{method}: {message['error']}: {message['message']}")
        result: dict[str, Any] = message["result"]
        return result

    def events(self, method: str) -> Iterator[dict[str, Any]]:
        """What has happened under a name so far."""
        return (event["params"] for event in self._events if event["method"] == method)


@contextmanager
def running_firefox(
    profile: Path,
    sound: dict[str, str],
    *,
    before: Sequence[str] = (),
    call: Callable[[int], socket.socket] | None = None,
    hosts: Sequence[str] = (),
) -> Iterator[Firefox]:
    """A browser in a process of its own, with a new profile and no window on a screen.

    Args:
        profile: A folder that is empty.
        sound: The environment that names the sound server.
        before: What comes before its command, to run it elsewhere than here.
        call: How one of its ports on 127.0.0.1 is reached there.
        hosts: Further hosts that its pages may ask.
    """
    path = firefox_path()
    assert path, "no Firefox found; scripts/test installs one"
    preferences = dict(PREFERENCES)
    preferences["network.proxy.no_proxies_on"] = ", ".join(["127.0.0.1", "localhost", *hosts])
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in preferences.items()]
    (profile / "user.js").write_text("\n".join(lines))
    with (profile / "firefox.log").open("w") as log:
        process = subprocess.Popen(
            [*before, path, *OPTIONS, "--profile", str(profile), "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Root may not use the home of another user.
            env=os.environ | sound | {"HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1"},
        )
    try:
        address = _address(profile, process)
        with connect(
            address,
            sock=None if call is None else call(urlsplit(address).port or 0),
            compression=None,
            max_size=None,
            ping_interval=None,
            proxy=None,
        ) as connection:
            yield Firefox(connection)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    """Where it listens, which it writes into its profile."""
    written = profile / "WebDriverBiDiServer.json"
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            server = json.loads(written.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            log = (profile / "firefox.log").read_text()
            assert process.poll() is None, f"Firefox ended:\n{log}"
            assert time.monotonic() < deadline, f"Firefox is silent:\n{log}"
            time.sleep(0.1)
        else:
            return f"ws://{server['ws_host']}:{server['ws_port']}/session"
