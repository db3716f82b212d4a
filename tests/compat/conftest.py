"""Stand-ins for the services of FastRTC's users."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .services import Service, serve


@pytest.fixture
def service() -> Iterator[Service]:
    with serve() as running:
        yield running
