"""Settings of a prototype that its copies take over."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar, Self

_ABSENT = object()


class Settings:
    """What a prototype was told after it was made, each of its sessions is told too."""

    carried_settings: ClassVar[tuple[str, ...]] = (
        "expected_layout",
        "output_sample_rate",
        "input_sample_rate",
        "fps",
        "video_format",
        "max_input_latency",
        "tts",
        "clean_text",
    )
    """Names of the attributes that `take_settings` carries over; a subclass may add its own."""

    _made_with: dict[str, Any]

    def take_settings(self, prototype: Settings) -> Self:
        """Take the settings that were changed on a prototype after it was made.

        Each session calls this on what `copy` returned: `stream.handler.fps = 10` holds for every
        session from then on. What `copy` itself has set on the new handler stays.

        Args:
            prototype: The handler that this one is a copy of.

        Returns:
            This handler.

        Raises:
            ConfigurationError: If a setting makes no sense.
        """
        mine = vars(self)
        for name, value in prototype._settings().items():
            # Compared by identity: a voice or a detector need not know what equality is.
            changed = value is not prototype._made_with.get(name, _ABSENT)
            untouched = mine.get(name, _ABSENT) is self._made_with.get(name, _ABSENT)
            if changed and untouched:
                setattr(self, name, value)
        self._check_settings()
        return self

    def _settings(self) -> dict[str, Any]:
        """Those that the instance has of its own, not from its class."""
        mine = vars(self)
        return {name: mine[name] for name in self.carried_settings if name in mine}

    def _note_settings(self) -> None:
        self._made_with = self._settings()

    def _check_settings(self) -> None:
        """Raise a `ConfigurationError` if a setting makes no sense."""


def note_settings_after_init(cls: type[Settings]) -> None:
    """Have a class note with which settings its `__init__`, if it has one, leaves a handler."""
    init: Callable[..., None] | None = cls.__dict__.get("__init__")
    if init is None:
        return

    @functools.wraps(init)
    def noting(self: Settings, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self._note_settings()

    cls.__init__ = noting  # type: ignore[method-assign,assignment]
