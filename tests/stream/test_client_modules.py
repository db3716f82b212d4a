"""The modules of the browser client: what is served, and for how long."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException

from fastrtc_core import Stream
from fastrtc_core.browser import files, modules, version
from fastrtc_handlers import Echo

ROOT = Path(__file__).parents[2]
PACKAGES = [ROOT / "fastrtc_core", ROOT / "handlers/fastrtc_handlers"]

MODULE = f"/webrtc/client/{version()}/connection.js"


def nobody() -> None:
    raise HTTPException(401, "Sign in first.")


def http() -> httpx.AsyncClient:
    """Requests to a stream that lets nobody in."""
    app = FastAPI()
    Stream(Echo()).mount(app, dependencies=[Depends(nobody)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server")


def imported(source: str) -> list[str]:
    """The addresses that a module imports."""
    return re.findall(r'^(?:import|export)\b(?: [^;"]*?from)? "([^"]+)";$', source, re.MULTILINE)


async def test_every_module_is_served_under_an_address_that_lasts() -> None:
    """All that the entry leads to is there, for pages of every origin, and is asked for once."""
    async with http() as client:
        entry = await client.get("/webrtc/client.js")
        found = imported(entry.text)
        assert sorted(Path(address).name for address in found) == sorted(modules())
        for address in found:
            reply = await client.get(httpx.URL("/webrtc/client.js").join(address).path)
            assert reply.status_code == 200
            assert reply.text == modules()[Path(address).name]
            assert reply.headers["content-type"].startswith("text/javascript")
            assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert reply.headers["access-control-allow-origin"] == "*"


async def test_the_entry_is_asked_for_again_and_seldom_sent() -> None:
    """It has a tag; to a browser that has it already, it is not sent."""
    async with http() as client:
        entry = await client.get("/webrtc/client.js")
        etag = entry.headers["etag"]
        assert entry.headers["cache-control"] == "no-cache"
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            reply = await client.get("/webrtc/client.js", headers={"if-none-match": known})
            assert (reply.status_code, reply.content) == (304, b"")
            assert reply.headers["etag"] == etag
            assert reply.headers["access-control-allow-origin"] == "*"
        for other in ('"other"', etag.strip('"'), ""):
            reply = await client.get("/webrtc/client.js", headers={"if-none-match": other})
            assert (reply.status_code, reply.text) == (200, entry.text)


@pytest.mark.parametrize(
    "address",
    [
        "/webrtc/client/0123456789abcdef/connection.js",
        f"/webrtc/client/{version()}/modules.py",
        f"/webrtc/client/{version()}/none.js",
        f"/webrtc/client/{version()}/..%2Frouting.py",
        f"/webrtc/client/{version()}/",
    ],
)
async def test_what_is_no_module_is_not_found(address: str) -> None:
    """Neither another version nor another file; and nobody remembers that it was not there."""
    async with http() as client:
        assert (await client.get(MODULE)).status_code == 200
        reply = await client.get(address)
        assert reply.status_code == 404
        assert "immutable" not in reply.headers.get("cache-control", "")


def test_the_version_is_that_of_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another text in any module has another address."""
    changed = {**modules(), "sdp.js": modules()["sdp.js"] + "// changed\n"}
    before = version()
    monkeypatch.setattr(files, "modules", lambda: changed)
    assert files.version.__wrapped__() != before
    assert re.fullmatch(r"[0-9a-f]{16}", before)


def test_modules_import_from_their_own_folder_in_one_form() -> None:
    """Each comes after those that it imports, which is what both ways of loading them rely on."""
    known: set[str] = set()
    for name, source in modules().items():
        for address in imported(source):
            assert address.removeprefix("./") in known, f"{name} imports {address}"
        assert not re.search(r"\bimport\(|^import \*|^export (\*|default)", source, re.MULTILINE)
        known.add(name)
    assert list(modules())[-1] == "client.js"


def texts(tree: ast.AST) -> Iterator[str]:
    """All literal texts of a module but its docstrings."""
    # A text that stands alone is one.
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def test_javascript_is_read_by_its_own_room_alone() -> None:
    """No module names a script of another folder, or that folder by its name as a package."""
    for package in PACKAGES:
        rooms = {file.parent for file in package.rglob("*.js")}
        for file in package.rglob("*.py"):
            own = {script.name for script in file.parent.glob("*.js")}
            foreign = {room.relative_to(package.parent) for room in rooms - {file.parent}}
            names = {re.sub("/", ".", str(room)) for room in foreign}
            for text in texts(ast.parse(file.read_text("utf-8"))):
                scripts = set(re.findall(r"[\w-]+\.js$", text))
                # What PyInstaller is told are names of modules, which nobody reads.
                named = names & {text} if "__pyinstaller" not in file.parts else set()
                assert scripts | named <= own, f"{file} reads {text!r}"


# --- in a browser --------------------------------------------------------------------------------
