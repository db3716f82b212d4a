"""Arguments of FastRTC that mean something else here, or nothing."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from typing import Any, Literal

from ..stream import UIArgs

_NAMES = {
    "title": "title",
    "subtitle": "subtitle",
    "icon": "icon",
    "icon_button_color": "color",
    "pulse_color": "answer_color",
    "icon_radius": "icon_radius",
    "transcript": "transcript",
    "push_to_talk": "push_to_talk",
}
"""What FastRTC's `ui_args` are called here, and two that it has none of."""

UI_ARGUMENTS = frozenset({*_NAMES, "hide_title", "full_screen", "variant", "button_labels"})
"""Of `ui_args`, those that are heeded, or need nothing to be done."""

_BUTTONS = {"start": "start", "stop": "stop", "waiting": "connecting"}


def as_limit(limit: int | Literal["default"] | None) -> int | Literal["default"]:
    """FastRTC's `concurrency_limit`: `None` is one session, as `"default"` is."""
    return 1 if limit is None else limit


def warn_of_ignored(where: str, names: Collection[str], instead: str, *, level: int = 4) -> None:
    """Warn once of arguments that have no effect; of none if there are none.

    Args:
        where: Whose arguments they are.
        names: The arguments.
        instead: What to do.
        level: How many calls above the warning the code of the application is.
    """
    if names:
        named = ", ".join(sorted(names))
        warnings.warn(f"{where}({named}): ignored. {instead}", UserWarning, stacklevel=level)


def as_ui_args(given: Mapping[str, Any]) -> UIArgs:
    """FastRTC's `ui_args`, without those that are `None`, by their names here."""
    args: Any = {new: given[old] for old, new in _NAMES.items() if given.get(old) is not None}
    if buttons := given.get("button_labels"):
        args["labels"] = {new: buttons[old] for old, new in _BUTTONS.items() if old in buttons}
    if given.get("variant") == "textbox":
        args["text_box"] = True
    found: UIArgs = args
    return found


def warn_of_ui_args(ui_args: dict[str, Any]) -> None:
    """Warn of what the UI has no place for."""
    warn_of_ignored(
        "Stream: ui_args",
        [name for name in ui_args if name not in UI_ARGUMENTS],
        "Remove them, or style the page with the css of your own Blocks",
        level=5,
    )
