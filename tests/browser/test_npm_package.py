"""The npm package in a fresh page of React, as `docs/client.md` says: built, checked, and used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import fastrtc_core
from fastrtc_core.browser import modules

from .conftest import OpenPage
from .support import ROOT, Server

pytestmark = [
    pytest.mark.soak,  # npm installs and bundles
    pytest.mark.timeout(300),
    pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed"),
]

DOCUMENTED = re.findall(
    r"```tsx\n(.*?)```", (ROOT / "docs/client.md").read_text("utf-8"), re.DOTALL
)
NEEDED = {"react": "^19", "react-dom": "^19", "vite": "^7"}
FOR_TYPES = {"typescript": "^5.8", "@types/react": "^19", "@types/react-dom": "^19"}

MAIN = """
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { Connection, type ConnectionError } from "fastrtc-core-client";
import { useChannel, useConnectionEvent, useStream } from "fastrtc-core-client/react";
import { Voice } from "./Voice";

// The types say what there is, and what there is not.
const another: Connection = new Connection({ modality: "text", rtcConfiguration: "server" });
another.addEventListener("error", ({ detail }) => detail.message.toUpperCase());
// @ts-expect-error
another.addEventListener("state", ({ detail }) => detail.message);
// @ts-expect-error
new Connection({ modality: "smell" });
export const code = (error: ConnectionError): string => error.code;

function Meeting() {
  const { channel, state, users, chat, uid, connect, disconnect } = useChannel({
    server: "/rtc", channel: "lobby", name: "Ada",
  });
  const [left, setLeft] = useState(0);
  useConnectionEvent(channel, "user_left", ({ uid }) => setLeft(uid));
  const video = useStream(channel?.connection.remoteStream ?? null);
  return (
    <section>
      <button onClick={uid ? disconnect : connect}>{uid ? "Leave" : "Join"}</button>
      <button onClick={() => channel?.sendChatMessage("Hello")}>Say hello</button>
      <p id="meeting">
        {`${state}: ${users.map(([, { name }]) => name)} ${chat.map(({ text }) => text)} ${left}`}
      </p>
      <video ref={video} muted />
    </section>
  );
}

function Page() {
  const [shown, setShown] = useState(true);
  return (
    <main>
      <button onClick={() => setShown(!shown)}>{shown ? "Hide" : "Show"}</button>
      {shown && <Voice token="let-me-in" />}
      <Meeting />
    </main>
  );
}

createRoot(document.getElementById("root")!).render(<StrictMode><Page /></StrictMode>);
"""

PAGE = '<!doctype html><title>npm</title><link rel="icon" href="data:,"><div id="root"></div>'
PAGE += '<script type="module" src="/main.tsx"></script>'

TSCONFIG = {
    "compilerOptions": {
        "jsx": "react-jsx",
        "strict": True,
        "noEmit": True,
        "skipLibCheck": False,
        "module": "esnext",
        "moduleResolution": "bundler",
        "target": "es2022",
        "lib": ["es2024", "dom", "dom.iterable", "dom.asynciterable"],
        "types": [],
    },
    "files": ["main.tsx"],
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `scripts/npm-package` builds."""
    folder = tmp_path_factory.mktemp("package")
    run = subprocess.run(
        [ROOT / "scripts/npm-package", folder], capture_output=True, text=True, check=False
    )
    if run.returncode == 3:
        pytest.skip(run.stderr.strip().splitlines()[-1])
    assert run.returncode == 0, run.stdout + run.stderr
    (found,) = folder.glob("*.tgz")
    return found


@pytest.fixture(scope="module")
def built(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh page that uses it, checked and bundled by Vite."""
    folder = tmp_path_factory.mktemp("page")
    dependencies = {**NEEDED, **FOR_TYPES, "fastrtc-core-client": f"file:{package}"}
    manifest = {"name": "page", "private": True, "type": "module", "dependencies": dependencies}
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "tsconfig.json").write_text(json.dumps(TSCONFIG))
    (folder / "index.html").write_text(PAGE)
    (folder / "main.tsx").write_text(MAIN)
    (component,) = DOCUMENTED
    (folder / "Voice.tsx").write_text(component)

    def call(*command: str) -> str | None:
        """Why it failed, if it did. In development, React's strict mode mounts everything twice."""
        environment = {**os.environ, "NODE_ENV": "development"}
        run = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        return f"{' '.join(command)}:\n{run.stdout}{run.stderr}" if run.returncode else None

    if reason := call("npm", "install", "--no-audit", "--no-fund", "--silent"):
        pytest.skip(f"npm installs nothing here: {reason}")
    for command in (["node_modules/.bin/tsc"], ["node_modules/.bin/vite", "build"]):
        reason = call(*command)
        assert reason is None, reason
    return folder / "dist"


@pytest.fixture
def server(built: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("PAGE", str(built))
    running = Server(Path(__file__).with_name("npm_server.py"))
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.kill()


def test_the_package_has_the_modules_that_are_served(package: Path) -> None:
    """Each byte for byte, with its types, under the version of the server; and no others."""
    with tarfile.open(package) as archive:
        files = {
            name.removeprefix("package/"): archive.extractfile(name).read().decode()  # type: ignore[union-attr]
            for name in archive.getnames()
        }
    manifest = json.loads(files.pop("package.json"))
    assert manifest["version"] == fastrtc_core.__version__
    assert {name: text for name, text in files.items() if re.fullmatch(r"\w+\.js", name)} == dict(
        modules()
    )
    scripts = {name.removesuffix(".js") for name in files if name.endswith(".js")}
    types = {name.removesuffix(".d.ts") for name in files if name.endswith(".d.ts")}
    assert scripts == types
    assert {name for name in files if not name.endswith((".js", ".d.ts"))} == {
        "LICENSE",
        "README.md",
    }


def test_a_page_of_react(open_page: OpenPage, server: Server) -> None:
    """The documented component talks to its server, sends new inputs, and ends with its session."""
    page: Page = open_page(server.url)
    voice = page.locator("p").first
    expect(voice).to_have_text("idle ")
    page.get_by_role("button", name="Start").click()
    expect(voice).to_have_text("connected Ada [1]")
    page.get_by_role("slider").fill("0.5")
    expect(voice).to_have_text("connected Ada [0.5]")
    assert server.get("/sessions") == "1"
    page.get_by_role("button", name="Stop").click()
    expect(voice).to_contain_text("closed")
    page.get_by_role("button", name="Start").click()
    expect(voice).to_have_text("connected Ada [0.5]")
    page.get_by_role("button", name="Hide").click()
    page.wait_for_function("async () => (await (await fetch('/sessions')).text()) === '0'")

    meeting = page.locator("#meeting")
    page.get_by_role("button", name="Join").click()
    expect(meeting).to_have_text("connected: Host  0")
    page.get_by_role("button", name="Say hello").click()
    expect(meeting).to_have_text("connected: Host Hello 0")
    page.get_by_role("button", name="Leave").click()
    expect(meeting).to_contain_text("closed")
