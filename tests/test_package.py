"""What importing and installing the package costs."""

from __future__ import annotations

import importlib.metadata
import inspect
import json
import re
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

import fastrtc_core

ROOT = Path(__file__).parents[1]

PROBE = """
import json, sys, time
start = time.process_time()  # whatever else the machine does meanwhile
import {}
took = time.process_time() - start
print(json.dumps([took, sorted({{name.partition(".")[0] for name in sys.modules}})]))
"""


EXTRAS = {
    "fastapi",
    "fastrtc_handlers",
    "gradio",
    "opentelemetry",
    "pandas",
    "playwright",
    "prometheus_client",
}


def cost_of_importing(names: str) -> tuple[float, set[str]]:
    """Time in s that it takes a new interpreter, at best, and what is loaded then."""
    costs = []
    for _ in range(2):
        command = [sys.executable, "-c", PROBE.format(names)]
        took, modules = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        costs.append(took)
    return min(costs), set(modules)


def test_importing_is_quick_and_loads_no_extra() -> None:
    """Hardly twice what its dependencies take, and nothing of an extra."""
    floor, _ = cost_of_importing("asyncio, inspect, numpy, aiortc")
    took, modules = cost_of_importing("fastrtc_core")
    assert not EXTRAS & modules
    assert took < 2.2 * floor


def test_the_core_install_is_small() -> None:
    """The package and all that it requires without extras stay under 273 MB.

    With PyAV 19, compiled Python files included, they have 260.
    """
    sizes: dict[str, int] = {}

    def add(name: str) -> None:
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in sizes:
            return
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            return  # a requirement of another platform
        files = distribution.files or []
        paths = [Path(str(file.locate())) for file in files]
        sizes[key] = sum(path.stat().st_size for path in paths if path.exists())
        for requirement in distribution.requires or []:
            if "extra ==" not in requirement:
                match = re.match(r"[A-Za-z0-9._-]+", requirement)
                assert match
                add(match[0])

    add("fastrtc-core")
    assert {"numpy", "aiortc", "av", "fastapi", "uvicorn"} <= sizes.keys()
    assert "gradio" not in sizes
    total = sum(sizes.values()) / 1e6
    print({name: round(size / 1e6, 1) for name, size in sorted(sizes.items())})
    assert total < 273, f"{total:.0f} MB"


@pytest.mark.parametrize("package", ["fastrtc_core", "fastrtc_handlers"])
def test_both_packages_are_typed(package: str) -> None:
    """Type checkers look at the annotations."""
    assert resources.files(package).joinpath("py.typed").is_file()


def test_every_public_name_is_documented() -> None:
    """What `__all__` names is there, and its docstring says what it is."""
    for name in fastrtc_core.__all__:
        value = getattr(fastrtc_core, name)
        if isinstance(value, type) or inspect.isroutine(value):
            assert value.__doc__, name


def test_the_source_distribution_holds_what_its_tests_need() -> None:
    """Every folder from which they import, or of which they read a file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    needed = set()
    for file in (ROOT / "tests").rglob("*.py"):
        text = file.read_text("utf-8")
        needed |= set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
        needed |= set(re.findall(r'ROOT / "([\w-]+)', text))
    ignored = (ROOT / ".gitignore").read_text("utf-8").split()
    folders = {name for name in needed if (ROOT / name).is_dir() and f"{name}/" not in ignored}
    assert {"benchmarks", "demo"} <= folders, "the pattern finds them"
    assert {f"/{name}" for name in folders} <= set(included)


def test_the_version_is_that_of_the_package() -> None:
    """`fastrtc_core.__version__`, and what pip says."""
    assert fastrtc_core.__version__ == importlib.metadata.version("fastrtc-core")
