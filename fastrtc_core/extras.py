"""Packages that only some parts need, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from .errors import ConfigurationError


def import_extra(module: str, *, extra: str, used_by: str, hint: str = "") -> Any:
    """Import a module of an extra.

    Args:
        module: Its name.
        extra: The extra that brings it.
        used_by: Who needs it, for the text.
        hint: What else it takes.

    Raises:
        ConfigurationError: If it is not there, or lacks a library; the text says what to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise ConfigurationError(
            f"{used_by} needs {error.name}, which is not installed; install it with "
            f'`pip install "fastrtc-core[{extra}]"`{hint}'
        ) from None
    except (OSError, ImportError) as error:
        raise ConfigurationError(f"{used_by} cannot use {module}: {error}{hint}") from None
