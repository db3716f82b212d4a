"""`RtcOptions`: what is taken, and what is refused."""

from __future__ import annotations

import dataclasses
import re
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core import ConfigurationError
from fastrtc_core.channel.options import RtcOptions
from fastrtc_core.channel.tokens import check_token
from fastrtc_core.room.grants import ALL_PERMISSIONS

CERTIFICATE = "a-certificate-that-nobody-may-see"
CHARACTERS = string.ascii_letters + string.digits + " !#$%&()+-:;<=.>?@[]^_{}|~,"


def test_the_defaults_are_those_of_a_voice_agent() -> None:
    """Only the channel must be named."""
    options = RtcOptions(channel_name="room")
    assert dataclasses.astuple(options) == ("room", 0, 24000, 1, "", True)


def test_options_are_named_and_never_change() -> None:
    """Two parts of a program can share them."""
    with pytest.raises(TypeError):
        RtcOptions("room")  # type: ignore[call-arg]
    options = RtcOptions(channel_name="room")
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.uid = 7  # type: ignore[misc]
    assert options == RtcOptions(channel_name="room")


@given(st.text(CHARACTERS, min_size=1, max_size=64))
def test_every_name_that_agora_allows_is_allowed(name: str) -> None:
    """All its characters, up to 64 of them."""
    assert RtcOptions(channel_name=name).channel_name == name


@given(st.text(CHARACTERS, max_size=63), st.characters(exclude_characters=CHARACTERS))
def test_no_other_character_is_allowed(name: str, other: str) -> None:
    """Wherever it stands."""
    for whole in (name + other, other + name):
        with pytest.raises(ConfigurationError, match="the name of a channel"):
            RtcOptions(channel_name=whole)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"channel_name": ""}, "the name of a channel"),
        ({"channel_name": "x" * 65}, "the name of a channel"),
        ({"channel_name": None}, "the name of a channel"),
        ({"channel_name": "room\n"}, "the name of a channel"),
        ({"uid": -1}, "a uid must be"),
        ({"uid": 2**32}, "a uid must be"),
        ({"uid": 1.0}, "a uid must be"),
        ({"uid": False}, "a uid must be"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"sample_rate": 11025}, "no whole number of samples"),
        ({"sample_rate": 4000}, "sample_rate must be 8000"),
        ({"sample_rate": 384000}, "sample_rate must be 8000"),
        ({"sample_rate": "24000"}, "sample_rate"),
        ({"channels": 0}, "channels must be 1"),
        ({"channels": 3}, "channels must be 1"),
        ({"name": "x" * 129}, "name must be"),
        ({"name": None}, "name must be"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], text: str) -> None:
    """And the error says which option, and what it may be."""
    with pytest.raises(ConfigurationError, match=re.escape(text)):
        RtcOptions(**({"channel_name": "room"} | changes))


def test_the_largest_uid_is_one() -> None:
    """32 bits, all of them."""
    assert RtcOptions(channel_name="room", uid=2**32 - 1).uid == 2**32 - 1


def test_options_build_the_token_that_they_need() -> None:
    """For their channel and uid, with all permissions, for an hour unless said otherwise."""
    options = RtcOptions(channel_name="room", uid=7)
    for token, ttl in (
        (options.build_token("app", CERTIFICATE), 3600.0),
        (options.build_token("app", CERTIFICATE, ttl=5), 5.0),
    ):
        grant = check_token(token, "app", CERTIFICATE, channel="room", uid=7)
        later = check_token(
            options.build_token("app", CERTIFICATE), "app", CERTIFICATE, channel="room", uid=7
        )
        assert grant[:3] == ("room", 7, ALL_PERMISSIONS)
        assert later.expires - grant.expires == pytest.approx(3600.0 - ttl, abs=2)
