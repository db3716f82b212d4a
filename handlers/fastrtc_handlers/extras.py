"""Packages that only some handlers need, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from fastrtc_core import ConfigurationError


def import_extra(module: str, *, extra: str, used_by: str) -> Any:
    """Import a module of an extra.

    Raises:
        ConfigurationError: If it is not installed; the text says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise ConfigurationError(
            f"{used_by} needs {error.name}, which is not installed; install it with "
            f'`pip install "fastrtc-core[{extra}]"`'
        ) from None
