"""Imported by every Python that a test starts: Gradio without its type stubs.

Whenever it is imported, Gradio reads the source of its 82 components and writes a stub beside each:
half of the time that its import takes, and nothing that a test looks at.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


class _WithoutStubs(MetaPathFinder):
    """Finds the module of Gradio that writes them, and takes the function out."""

    def find_spec(
        self, name: str, path: Any, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "gradio.component_meta":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_replace(module: ModuleType) -> None:
                execute(module)
                if hasattr(module, "create_or_modify_pyi"):
                    module.__dict__["create_or_modify_pyi"] = lambda *_: None

            spec.loader.exec_module = execute_and_replace  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _WithoutStubs())
