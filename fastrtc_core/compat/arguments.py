"""Arguments of FastRTC that mean something else here, or nothing."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any, Literal

UI_ARGUMENTS = frozenset({"title", "subtitle", "hide_title", "full_screen", "variant"})
"""Of `ui_args`, those that are heeded, or need nothing to be done."""


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


def warn_of_ui_args(ui_args: dict[str, Any]) -> None:
    """Warn of texts and colours that the UI has no place for."""
    warn_of_ignored(
        "Stream: ui_args",
        [name for name in ui_args if name not in UI_ARGUMENTS],
        "Remove them, or style the page with the css of your own Blocks",
        level=5,
    )
