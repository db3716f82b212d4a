"""The modules of the browser client, read once per process."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from graphlib import TopologicalSorter
from importlib import resources
from types import MappingProxyType

_IMPORTED = re.compile(r'^(?:import|export) \{[^}]*\} from "\./(\w+\.js)";$', re.MULTILINE)
"""The one form in which these modules import. It is enough to find what each needs."""


@cache
def modules() -> MappingProxyType[str, str]:
    """The sources by file name, each after those that it imports.

    So `client.js`, which exports what pages use, is the last.

    Raises:
        graphlib.CycleError: If modules import each other in a circle.
    """
    return read_modules("fastrtc_core.browser")


def read_modules(package: str) -> MappingProxyType[str, str]:
    """The same for the modules of another folder, which import nothing but each other."""
    folder = resources.files(package)
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".js"))
    sources = {name: folder.joinpath(name).read_text("utf-8") for name in names}
    needs = {name: _IMPORTED.findall(source) for name, source in sources.items()}
    order = TopologicalSorter(needs).static_order()
    return MappingProxyType({name: sources[name] for name in order})


@cache
def version() -> str:
    """A hash of all names and sources: 16 hexadecimal digits."""
    whole = hashlib.sha256()
    for name, source in sorted(modules().items()):
        whole.update(f"{name}\0{len(source)}\0{source}".encode())
    return whole.hexdigest()[:16]
