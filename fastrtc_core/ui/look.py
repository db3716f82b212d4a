"""What a widget looks like: words, colours and icon, and which of its parts it has."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from ..errors import ConfigurationError
from ..stream import UIArgs

LABELS = frozenset(
    {
        "start",
        "stop",
        "ready",
        "connecting",
        "connected",
        "reconnecting",
        "ended",
        "failed",
        "listening",
        "thinking",
        "speaking",
        "you",
        "server",
        "agent",
        "talk",
        "message",
    }
)
"""The words of the widget that `labels` can replace; `labels.js` has what they are else."""

_ADDRESSES = ("data:", "http://", "https://", "/")


def check_ui_args(args: Mapping[str, Any]) -> None:
    """Check the names of `ui_args` and of its labels.

    Raises:
        ConfigurationError: If there is no such name.
    """
    _check_names("ui_args", args, frozenset(get_type_hints(UIArgs)))
    _check_names("labels of ui_args", args.get("labels") or {}, LABELS)


def look_settings(args: Mapping[str, Any], *, transcript: bool) -> dict[str, Any]:
    """What the page is told of it.

    Args:
        args: Those of a stream.
        transcript: Whether to show one where they do not say.

    Raises:
        ConfigurationError: If something is wrong with the arguments.
    """
    check_ui_args(args)
    icon = args.get("icon")
    return {
        "labels": dict(args.get("labels") or {}),
        "icon": None if icon is None else _address(icon),
        "style": _style(args),
        "transcript": bool(args.get("transcript", transcript)),
        "textBox": bool(args.get("text_box")),
        "pushToTalk": bool(args.get("push_to_talk")),
    }


def _style(args: Mapping[str, Any]) -> dict[str, str]:
    style = {}
    if color := args.get("color"):
        style["--accent"] = str(color)
        # Dark enough for white text, whatever it is (WCAG 2.2, 1.4.3); see `widget.css`.
        style["--accent-strong"] = f"oklch(from {color} min(l, 0.53) c h)"
    if color := args.get("answer_color"):
        style["--answer"] = str(color)
    if (radius := args.get("icon_radius")) is not None:
        style["--icon-radius"] = f"{radius:g}px"
    return style


def _address(icon: str | Path) -> str:
    """The address of a picture; that of a file is the file itself, as a data URL (RFC 2397)."""
    path = Path(icon)
    try:
        if path.is_file():
            kind = mimetypes.guess_type(path.name)[0] or "image/png"
            return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    except OSError as error:  # also of a data URL, which is too long for a name
        if not str(icon).startswith(_ADDRESSES):
            raise ConfigurationError(f"The icon cannot be read: {error}") from None
    if str(icon).startswith(_ADDRESSES):
        return str(icon)
    raise ConfigurationError(f"There is no icon {str(icon)!r}: give a file, or an address")


def _check_names(what: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
    if unknown := sorted(given.keys() - known):
        raise ConfigurationError(f"{what}: unknown {unknown[0]!r}; known are {sorted(known)}")
