"""The files for containers fit the server that they start."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from fastrtc_core import Stream
from fastrtc_core.channel import RtcEngine
from fastrtc_core.client import Client
from fastrtc_core.operations.lag import LoopLag
from fastrtc_core.operations.metrics import StreamMetrics
from tests.browser.support import ROOT
from tests.webrtc.support import Silent, serving

PRODUCTION = ROOT / "demo" / "production.py"
VARIABLES = {
    "ADVERTISED_ADDRESS",
    "CONCURRENCY_LIMIT",
    "DRAIN_TIMEOUT",
    "MEDIA_PORT",
    "TURN_SECRET",
    "TURN_URLS",
}


def manifests() -> Iterator[dict[str, Any]]:
    """The objects for Kubernetes."""
    yield from yaml.safe_load_all((ROOT / "deploy/kubernetes/app.yaml").read_text())


def production(monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, Any]:
    """What the module of the server defines, with these variables."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    module: dict[str, Any] = {"__name__": "production"}
    exec(compile(PRODUCTION.read_text(), str(PRODUCTION), "exec"), module)
    return module


async def test_the_server_of_the_image_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call on its one port, the probes at the paths of the manifests, and the metrics."""
    urls = "turn:turn.example.org:3478,turns:turn.example.org"
    module = production(
        monkeypatch, MEDIA_PORT="0", DRAIN_TIMEOUT="0", TURN_SECRET="secret", TURN_URLS=urls
    )
    async with serving(module["app"]) as url, httpx.AsyncClient(base_url=url) as http:
        async with Client(url):
            assert module["stream"].sessions == 1
        (server,) = (await http.get("/webrtc/config")).json()["iceServers"]
        assert server["urls"] == urls.split(",")
        assert server["credential"]
        (container,) = next(manifests())["spec"]["template"]["spec"]["containers"]
        alive, ready = [
            await http.get(container[probe]["httpGet"]["path"])
            for probe in ("livenessProbe", "readinessProbe")
        ]
        assert alive.status_code == 200
        assert set(ready.json()["reasons"]) <= {"late"}  # the machine may be
        assert "fastrtc_sessions_limit 100.0" in (await http.get("/metrics")).text


def test_its_variables_are_those_of_the_files() -> None:
    """No file sets what nobody reads; the image, the manifests and compose agree on the ports."""
    source = PRODUCTION.read_text()
    assert set(re.findall(r'"([A-Z_]+)"', source)) == VARIABLES
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    app = compose["services"]["app"]
    assert app["environment"].keys() <= VARIABLES
    (container,) = next(manifests())["spec"]["template"]["spec"]["containers"]
    assert {variable["name"] for variable in container["env"]} <= VARIABLES
    ports = {(port["containerPort"], port.get("protocol", "TCP")) for port in container["ports"]}
    assert ports == {(8000, "TCP"), (40000, "UDP"), (40000, "TCP")}
    assert app["ports"] == ["8000:8000", "40000:40000/udp", "40000:40000/tcp"]
    assert "EXPOSE 8000/tcp 40000/udp 40000/tcp" in (ROOT / "Dockerfile").read_text()
    patience = {one["name"]: one.get("value") for one in container["env"]}["DRAIN_TIMEOUT"]
    pod = next(manifests())["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > int(patience or 0)


def test_a_variable_that_is_no_number_is_a_line() -> None:
    """Not a traceback."""
    done = subprocess.run(
        [sys.executable, str(PRODUCTION)],
        env={"MEDIA_PORT": "many", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "MEDIA_PORT must be a whole number, not 'many'\n"


def test_dashboard_and_documents_name_metrics_that_there_are() -> None:
    """As a scrape of a stream and of an engine brings them."""
    stream = StreamMetrics(Stream(Silent(), concurrency_limit=1)._registry, LoopLag())
    families = [*stream.collect(), *RtcEngine("app").collector().collect()]
    names = set()
    for family in families:
        suffixes = {"counter": ["_total"], "histogram": ["", "_bucket", "_sum", "_count"]}
        names |= {family.name + suffix for suffix in suffixes.get(family.type, [""])}
    dashboard = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    documented = (ROOT / "docs/monitoring.md").read_text()
    found = re.findall(r"\bfastrtc_(?!core|handlers)[a-z_]+", " ".join(asked) + documented)
    found += [one["pods"]["metric"]["name"] for one in list(manifests())[-1]["spec"]["metrics"]]
    assert set(found) - names == set()
    # And none that it does not name.
    assert {family.name for family in families} - {
        re.sub("_(total|bucket)$", "", name) for name in found
    } == set()
