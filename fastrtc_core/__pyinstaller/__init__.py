"""What PyInstaller must be told about these packages; it finds the hooks by an entry point.

It follows imports. Files that are read, libraries that are loaded by path and packages that are
imported by name are invisible to it, and an application would lack them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any


def hook_dirs() -> list[str]:
    """The folder of the hooks, for PyInstaller's entry point `hook-dirs`."""
    return [str(Path(__file__).parent)]


def collect(package: str) -> tuple[list[str], list[Any], list[Any]]:
    """An optional package, or module, with its data and libraries, if it is installed.

    Returns:
        The `hiddenimports`, `datas` and `binaries` of a hook.
    """
    spec = find_spec(package)
    if spec is None:
        return [], [], []
    if spec.submodule_search_locations is None:
        return [package], [], []
    from PyInstaller.utils.hooks import collect_data_files, collect_dynamic_libs

    return [package], collect_data_files(package), collect_dynamic_libs(package)
