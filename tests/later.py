"""Modules that take long to import, and that few tests need.

Each process of a run imports all tests, and runs some of them. Gradio alone takes as long to import
as all else together; so only those processes do that which run a test of it.
"""

from __future__ import annotations

import importlib
from typing import Any


class Later:
    """Stands for a module, which is imported when something of it is first asked for.

    Type checkers are told of the module itself:

        if TYPE_CHECKING:
            import gradio as gr
        else:
            gr = Later("gradio")
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        # pytest asks whatever it finds in a test file whether it is a fixture or a mock.
        if attribute.startswith("__") or attribute == "_mock_name":
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self._name), attribute)
