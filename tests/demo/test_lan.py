"""A demo that serves the network: https at the address of this machine, and a code to scan."""

from __future__ import annotations

import importlib
import ipaddress
import ssl
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import segno
from cryptography import x509

from ..browser.support import ROOT
from .lan import serving_lan


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
def test_a_demo_is_served_on_https() -> None:
    """With a certificate that fits; a page in a browser is in `tests/browser/test_lan.py`."""
    with serving_lan("html_page") as (url, pem):
        context = ssl.create_default_context(cadata=pem)
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with direct.open(url, timeout=20) as page:
            assert "<title>" in page.read().decode()
