"""Requests to OpenAI-compatible services."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

from fastrtc_core import ConfigurationError
from fastrtc_core.toolkit import import_extra

DEFAULT_BASE_URL = "https://api.openai.com/v1"

_SHOWN = 300
"""Characters of a refusal that are shown."""


class HttpService:
    """One service.

    Args:
        name: What uses it, for errors.
        failure: The error that is raised when it fails.
        base_url: Where it is; `OPENAI_BASE_URL` by default, and OpenAI's own without that.
        api_key: `OPENAI_API_KEY` by default.
        timeout: How long in s it may keep silent.

    Raises:
        ConfigurationError: If the extra `openai` is missing, or there is neither key nor address.
    """

    def __init__(
        self,
        name: str,
        failure: type[Exception],
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._httpx = import_extra("httpx", extra="openai", used_by=name)
        self._name = name
        self._failure = failure
        url = base_url or os.environ.get("OPENAI_BASE_URL")
        key = api_key or os.environ.get("OPENAI_API_KEY")
        if not url and not key:
            raise ConfigurationError(
                f"{name} needs a service: set OPENAI_API_KEY, or OPENAI_BASE_URL to one of yours"
            )
        self._base_url = (url or DEFAULT_BASE_URL).rstrip("/")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._timeout = timeout

    async def stream(self, path: str, **request: Any) -> AsyncIterator[bytes]:
        """The body of the answer to a POST, as it comes.

        Raises:
            Exception: The error of this endpoint, if the service cannot be reached, refuses, or
                keeps silent for too long.
        """
        httpx = self._httpx
        try:
            async with (
                httpx.AsyncClient(timeout=self._timeout) as client,
                client.stream("POST", self._url(path), headers=self._headers, **request) as reply,
            ):
                if reply.is_error:
                    await reply.aread()
                    raise self._refusal(reply)
                async for data in reply.aiter_bytes():
                    yield data
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def post(self, path: str, **request: Any) -> Any:
        """The JSON answer to a POST; to be called on a thread.

        Raises:
            Exception: The error of this endpoint, if the service cannot be reached, refuses, keeps
                silent for too long, or answers with something else.
        """
        httpx = self._httpx
        try:
            reply = httpx.post(
                self._url(path), headers=self._headers, timeout=self._timeout, **request
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if reply.is_error:
            raise self._refusal(reply)
        try:
            return reply.json()
        except ValueError:
            raise self._failure(f"{self._name}: {reply.url} answers with no JSON") from None

    def _url(self, path: str) -> str:
        return f"{self._base_url}/{path}"

    def _refusal(self, reply: Any) -> Exception:
        return self._failure(
            f"{self._name}: {reply.url} refuses with {reply.status_code}: {reply.text[:_SHOWN]}"
        )

    def _unreachable(self, error: Exception) -> Exception:
        what = str(error) or type(error).__name__
        return self._failure(f"{self._name}: {self._base_url} cannot be reached: {what}")
