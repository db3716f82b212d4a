"""Ray Serve, where it is installed: updates cut no call short, and one model serves all."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.soak, pytest.mark.real_time, pytest.mark.timeout(300)]


def python() -> str:
    """An interpreter that has Ray."""
    found = ROOT / ".venv-ray/bin/python"
    if found.exists():
        return str(found)
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed (600 MB): scripts/test --soak --ray installs it")
    return sys.executable


async def figures(*arguments: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(python(), "-m", "tests.workers.on_ray", *arguments),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    print(found)
    return found


async def test_a_rolling_update_cuts_no_call_short() -> None:
    """Of 20 calls in two replicas; their clients are told, and new calls come in meanwhile."""
    found = await figures("update", "20")
    assert (found["told"], found["cut"]) == (20, 0)
    assert found["reasons"] == ["DRAIN"]
    assert found["new calls meanwhile"] > 5


async def test_one_model_for_32_sessions() -> None:
    """Its calls are batched: as many as six models could answer one by one."""
    found = await figures("batching")
    assert found["batched"] >= 6 * found["unbatched"]
