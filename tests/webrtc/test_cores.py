"""How many cores a process may use: by its affinity, and by the quotas of its control groups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastrtc_core.webrtc import cores
from fastrtc_core.webrtc.cores import cgroup_quota, threads_for, usable_cores


@pytest.fixture(autouse=True)
def counted_anew() -> Iterator[None]:
    usable_cores.cache_clear()
    yield
    usable_cores.cache_clear()


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_the_quota_of_version_2(tmp_path: Path) -> None:
    """The least of a group and those above it."""
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text("0::/pods/one\n")
    write(root / "pods" / "one", cpu__max="max 100000\n")
    assert cgroup_quota(root, membership) is None
    write(root / "pods", cpu__max="250000 100000\n")
    assert cgroup_quota(root, membership) == 2.5
    write(root / "pods" / "one", cpu__max="50000 100000\n")
    assert cgroup_quota(root, membership) == 0.5


def test_the_quota_that_a_container_sees_at_its_root(tmp_path: Path) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text("0::/../../outside\n")
    write(root, cpu__max="150000 100000\n")
    assert cgroup_quota(root, membership) == 1.5


def test_the_quota_of_version_1(tmp_path: Path) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text("5:memory:/a\n4:cpu,cpuacct:/a\n")
    write(root / "cpu,cpuacct" / "a", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert cgroup_quota(root, membership) is None
    write(root / "cpu,cpuacct" / "a", cpu__cfs_quota_us="300000")
    assert cgroup_quota(root, membership) == 3.0


def test_no_control_groups(tmp_path: Path) -> None:
    assert cgroup_quota(tmp_path, tmp_path / "nothing") is None


def test_threads_follow_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that may be used, and not those that the machine has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    monkeypatch.setattr(cores, "cgroup_quota", lambda root, membership: None)
    assert usable_cores() == 16
    assert [threads_for(w * h) for w, h in ((640, 480), (1280, 720), (1920, 1080))] == [1, 2, 8]
    usable_cores.cache_clear()
    monkeypatch.setattr(cores, "cgroup_quota", lambda root, membership: 0.5)
    assert usable_cores() == 1
    assert threads_for(1920 * 1080) == 1
    usable_cores.cache_clear()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    monkeypatch.setattr(cores, "cgroup_quota", lambda root, membership: 8.0)
    assert usable_cores() == 1
