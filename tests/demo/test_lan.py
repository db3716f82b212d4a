"""A demo that serves the network: https at the address of this machine, and a code to scan."""

from __future__ import annotations

import importlib
import ipaddress
import os
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import segno
from cryptography import x509

from ..browser.support import ROOT

HOST = "127.0.0.2"  # loopback, but not the address that `--lan` takes for "the machine itself"


@pytest.fixture(scope="module")
def lan() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "demo")  # as it is for a demo that runs
        yield importlib.import_module("_lan")


def test_a_certificate_is_for_one_address(lan: Any) -> None:
    """A browser finds the address in it; nobody else can read the key."""
    for address in ("192.168.1.7", "fd00::7", "laptop.local"):
        files = lan.make_certificate(address)
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        [name] = names
        assert str(name.value) == address
        assert isinstance(name.value, str) or ipaddress.ip_address(address) == name.value
        assert files.key.stat().st_mode & 0o777 == 0o600
        ssl.create_default_context().load_cert_chain(files.certificate, files.key)


def test_the_code_is_the_address(lan: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The address stands in words above it; that of IPv6 has its brackets."""
    lan.announce("fd00::7", 7860)
    said = capsys.readouterr().out
    assert "https://[fd00::7]:7860/" in said
    segno.make("https://[fd00::7]:7860/", micro=False).terminal(compact=True)
    assert capsys.readouterr().out in said


@pytest.mark.soak
@pytest.mark.parametrize("demo", ["html_page", "audio_echo"])
def test_a_demo_is_served_on_https(demo: str) -> None:
    """With a certificate that fits, for pages of Gradio and others, whatever proxy there is."""
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / f"demo/{demo}.py"), "--lan", "--host", HOST, f"--port={port}"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"https_proxy": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""},
    )
    try:
        assert process.stdout is not None
        assert any(f"https://{HOST}:{port}/" in line for line in process.stdout)
        while True:
            try:
                pem = ssl.get_server_certificate((HOST, port), timeout=5)
                break
            except ConnectionRefusedError:
                assert process.poll() is None
        context = ssl.create_default_context(cadata=pem)
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with direct.open(f"https://{HOST}:{port}/", timeout=20) as page:
            assert page.status == 200
            assert "<title>" in page.read().decode()
        process.send_signal(2)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
