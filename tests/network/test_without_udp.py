"""Browsers on another host, behind a network that lets no UDP through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .hosts import Weather, two_hosts
from .test_reconnecting import CONNECT, browsing, browsing_firefox, sound_again
from .test_two_hosts import asked, serving

PAIR = """async () => {
  const reports = await peers[0].getStats();
  for (const report of reports.values())
    if (report.type === "candidate-pair" && report.nominated && report.state === "succeeded") {
      const local = reports.get(report.localCandidateId);
      const remote = reports.get(report.remoteCandidateId);
      return [local.protocol, remote.protocol, remote.address];
    }
}"""


@pytest.mark.soak
@pytest.mark.parametrize(
    ("udp", "browse", "protocol"),
    [
        (False, browsing, "tcp"),
        (False, browsing_firefox, "tcp"),
        (True, browsing, "udp"),
    ],
)
async def test_a_browser_takes_tcp_where_it_must(
    udp: bool, browse: Any, protocol: str, tmp_path: Path
) -> None:
    """By itself, and hears the echo; it takes UDP where that goes through."""
    with two_hosts(Weather(delay=0.02, udp=udp)) as hosts:
        async with (
            serving(hosts) as url,
            browse(hosts, f"{url}/pages/tcp", tmp_path) as page,
        ):
            await page.evaluate(CONNECT)
            await sound_again(page, 5.0)
            assert await page.evaluate(PAIR) == [protocol, protocol, hosts.addresses[0]]
            assert await asked(hosts, 0, url) == {"running": 1, "ended": []}
