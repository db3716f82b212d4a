"""Health checks: `/healthz` and `/readyz`.

Names and meanings are those of Kubernetes: a process that is not alive is restarted, and one that
is not ready gets no new clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from .lag import LoopLag

MAX_LAG = 0.25
"""Event-loop lag in s above which the process counts as overloaded."""

NO_STORE = {"cache-control": "no-store"}


def add_health_routes(router: APIRouter, reasons: Callable[[], list[str]], lag: LoopLag) -> None:
    """Add the two routes.

    Args:
        router: Takes them.
        reasons: Returns why new sessions are refused now, such as `["draining", "full"]`.
        lag: Of the event loop that serves the routes. `late` is one more reason.
    """

    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        """Status 200 as long as the process answers."""
        return JSONResponse({"status": "ok"}, headers=NO_STORE)

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        """Status 200 if new sessions are accepted, else 503 with the reasons."""
        found = reasons()
        if lag.worst(asyncio.get_running_loop().time()) > MAX_LAG:
            found = [*found, "late"]
        status = "not ready" if found else "ready"
        return JSONResponse({"status": status, "reasons": found}, 503 if found else 200, NO_STORE)
