"""The methods of `Channel` that send and take streams."""

from __future__ import annotations

import mimetypes
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import ConfigurationError
from ...session.calls import UserCall
from .info import ByteStreamInfo, TextStreamInfo
from .packets import size_of
from .service import DataStreamStatistics, StreamHandler, Streams, new_stream
from .window import TIMEOUT
from .writer import ByteStreamWriter, TextStreamWriter

Progress = Callable[[int, int | None], Any]
Receivers = int | Sequence[int] | None

READ = 1 << 16
"""Bytes of a file that are read at once."""


class StreamMethods:
    """Sends and takes streams of text and bytes.

    `to` is a uid, several, or `None` for everybody who is there when it begins. `progress` is
    called with the bytes that all of them have read, and the total size. Who acknowledges nothing
    for `timeout` s, or leaves, is let go.
    """

    _data_streams: Streams

    @abstractmethod
    def _stream_receivers(self) -> list[int]:
        """The uids of everybody else; raises `ConfigurationError` if it may not send."""

    async def send_text(
        self,
        text: str,
        *,
        to: Receivers = None,
        topic: str = "",
        attributes: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        timeout: float = TIMEOUT,
    ) -> TextStreamInfo:
        """Send a text of any length, and wait until it was read.

        Raises:
            StreamError: If nobody has read it to its end.
            ConfigurationError: If the token does not allow it, there is no such user, or it is not
                connected.
        """
        async with await self.stream_text(
            to=to,
            topic=topic,
            attributes=attributes,
            total_size=size_of(text),
            progress=progress,
            timeout=timeout,
        ) as writer:
            if text:
                await writer.write(text)
        return writer.info

    async def stream_text(
        self,
        *,
        to: Receivers = None,
        topic: str = "",
        attributes: Mapping[str, str] | None = None,
        total_size: int | None = None,
        progress: Progress | None = None,
        timeout: float = TIMEOUT,
    ) -> TextStreamWriter:
        """Begin to send a text bit by bit; waits while 16 streams are being sent.

        Raises:
            ConfigurationError: If the token does not allow it, there is no such user, or it is not
                connected.
        """
        receivers = self._resolve(to)
        info = TextStreamInfo(
            topic=topic, attributes=dict(attributes or {}), total_size=total_size, **new_stream()
        )
        return await self._data_streams.begin(
            TextStreamWriter, info, receivers, timeout=timeout, progress=progress
        )

    async def send_file(
        self,
        path: str | Path,
        *,
        to: Receivers = None,
        topic: str = "",
        name: str | None = None,
        mime_type: str | None = None,
        attributes: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        timeout: float = TIMEOUT,
    ) -> ByteStreamInfo:
        """Send a file, and wait until it was read.

        Args:
            path: Where it lies.
            to: Who gets it.
            topic: What it is about.
            name: What it is called; by default as it is there.
            mime_type: Of its content; by default what its name says.
            attributes: Whatever else is said of it.
            progress: Told of progress.
            timeout: How long in s a receiver may acknowledge nothing.

        Raises:
            OSError: If it cannot be read.
            StreamError: If nobody has read it to its end, or it shrank meanwhile.
            ConfigurationError: As by `stream_bytes`.
        """
        path = Path(path)
        disk = UserCall(path.open, "send-file")
        try:
            size = (await disk.on_thread(path.stat)).st_size
            guess, _ = await disk.on_thread(mimetypes.guess_type, path.name)
            with await disk.on_thread(path.open, "rb") as file:
                async with await self.stream_bytes(
                    path.name if name is None else name,
                    to=to,
                    topic=topic,
                    mime_type=mime_type or guess or "application/octet-stream",
                    total_size=size,
                    attributes=attributes,
                    progress=progress,
                    timeout=timeout,
                ) as writer:
                    while data := await disk.on_thread(file.read, READ):
                        await writer.write(data)
        finally:
            disk.close()
        return writer.info

    async def stream_bytes(
        self,
        name: str,
        *,
        to: Receivers = None,
        topic: str = "",
        mime_type: str = "application/octet-stream",
        total_size: int | None = None,
        attributes: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        timeout: float = TIMEOUT,
    ) -> ByteStreamWriter:
        """Begin to send bytes bit by bit; waits while 16 streams are being sent.

        Raises:
            ConfigurationError: If the token does not allow it, there is no such user, or it is not
                connected.
        """
        receivers = self._resolve(to)
        info = ByteStreamInfo(
            name=name,
            topic=topic,
            mime_type=mime_type,
            attributes=dict(attributes or {}),
            total_size=total_size,
            **new_stream(),
        )
        return await self._data_streams.begin(
            ByteStreamWriter, info, receivers, timeout=timeout, progress=progress
        )

    def register_text_stream_handler(self, topic: str, handler: StreamHandler) -> None:
        """Take streams of text of a topic.

        Args:
            topic: Which ones.
            handler: Called for each with a `TextStreamReader` and the uid of the sender; async, or
                run on a thread. A stream that it has not read when it returns is refused.

        Raises:
            ConfigurationError: If there is a handler for it.
        """
        self._data_streams.register("text", topic, handler)

    def unregister_text_stream_handler(self, topic: str) -> None:
        """Take them no longer; idempotent. Those that have begun go on."""
        self._data_streams.unregister("text", topic)

    def register_byte_stream_handler(self, topic: str, handler: StreamHandler) -> None:
        """Take streams of bytes of a topic; as `register_text_stream_handler`.

        Raises:
            ConfigurationError: If there is a handler for it.
        """
        self._data_streams.register("bytes", topic, handler)

    def unregister_byte_stream_handler(self, topic: str) -> None:
        """Take them no longer; idempotent. Those that have begun go on."""
        self._data_streams.unregister("bytes", topic)

    def stream_statistics(self) -> DataStreamStatistics:
        """What became of streams so far."""
        return self._data_streams.statistics()

    def _resolve(self, to: Receivers) -> list[int]:
        others = self._stream_receivers()
        if to is None:
            return others
        uids = [to] if isinstance(to, int) else list(dict.fromkeys(to))
        for uid in uids:
            if uid not in others:
                raise ConfigurationError(f"there is no other user {uid} in the channel")
        return uids
