"""How channels and users may be called, and which texts can be sent at all."""

from __future__ import annotations

import re
from typing import Any, TypeGuard

from ..errors import ConfigurationError

MAX_UID = 2**32 - 1
"""Largest id of a user."""

MAX_NAME = 128
"""Longest name of a participant, in characters."""

_CHANNEL_NAME = re.compile(r"[A-Za-z0-9 !#$%&()+\-:;<=.>?@\[\]^_{}|~,]{1,64}")


def check_channel_name(name: Any) -> None:
    """Refuse what cannot be the name of a channel.

    Raises:
        ConfigurationError: If it is not 1 to 64 of the characters that are allowed.
    """
    if not isinstance(name, str) or not _CHANNEL_NAME.fullmatch(name):
        raise ConfigurationError(
            "the name of a channel must be 1 to 64 letters of a to z and A to Z, digits, spaces "
            "and characters of !#$%&()+-:;<=.>?@[]^_{}|~,"
        )


def check_uid(uid: Any) -> None:
    """Refuse what cannot be the id of a user.

    Raises:
        ConfigurationError: If it is not a whole number from 0 to 2**32 - 1.
    """
    if type(uid) is not int or not 0 <= uid <= MAX_UID:
        raise ConfigurationError(f"a uid must be a whole number from 0 to {MAX_UID}")


def check_user(channel: Any, uid: Any) -> None:
    """Refuse what cannot be a channel and one user in it.

    Raises:
        ConfigurationError: If it cannot; 0 is the uid of nobody.
    """
    check_channel_name(channel)
    check_uid(uid)
    if uid == 0:
        raise ConfigurationError("name a user: a uid from 1 on")


def is_unicode(value: Any) -> TypeGuard[str]:
    """Whether it is a text that can be written as UTF-8: without halves of surrogate pairs."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
