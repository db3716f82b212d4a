"""A demo that is served to a phone: the page gets the microphone, and the sound comes back."""

from __future__ import annotations

import pytest

from ..demo.lan import serving_lan
from .conftest import OpenPage
from .test_demos import wait_for_sound
from .test_gradio_ui import SIZES, start


@pytest.mark.soak
def test_a_phone_gets_through(open_page: OpenPage) -> None:
    """Its user has gone on after the warning that nobody knows the certificate."""
    with serving_lan("audio_echo") as (url, _):
        page = open_page(url, ignore_https_errors=True, **SIZES["phone"])
        assert page.evaluate("isSecureContext")
        start(page)
        wait_for_sound(page)
        page.close()  # Gradio waits for pages that are open
