"""Who may come in, and with which token: each lets somebody in once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..cluster import Cluster
from ..errors import (
    BusError,
    ConfigurationError,
    DuplicateSessionError,
    MalformedOfferError,
    TokenError,
    UnavailableError,
)
from ..room.grants import ALL_PERMISSIONS, Grant
from .options import RtcOptions
from .tokens import ReplayGuard, check_token, identify_token

FOREVER = float("inf")


class Admission:
    """The tokens of one application.

    Args:
        appid: Of the application.
        appcert: The secret with which its tokens are signed; without one, everybody may come in.
        cluster: The other servers of the application, if there are any.
    """

    def __init__(self, appid: str, appcert: str, cluster: Cluster | None) -> None:
        self._appid = appid
        self._appcert = appcert
        self._cluster = cluster
        self._used = ReplayGuard()
        self._revoked = ReplayGuard()

    def grant(self, params: Mapping[str, Any]) -> Grant:
        """Who may come in with these parameters, and as whom; with uid 0, as anybody.

        Raises:
            MalformedOfferError: If they name no channel or user.
            TokenError: If their token does not allow it.
        """
        name, uid = params.get("channel"), params.get("uid", 0)
        try:
            options = RtcOptions(channel_name=name, uid=uid)  # type: ignore[arg-type]
        except ConfigurationError as error:
            raise MalformedOfferError(str(error)) from None
        if not self._appcert:
            return Grant(options.channel_name, options.uid, ALL_PERMISSIONS, FOREVER, "")
        grant = check_token(
            str(params.get("token", "")),
            self._appid,
            self._appcert,
            channel=options.channel_name,
            uid=options.uid,
        )
        return grant if grant.uid else grant._replace(uid=options.uid)

    def renewal(self, token: str, channel: str, uid: int) -> Grant:
        """Who may stay with another token.

        Raises:
            TokenError: If there are no tokens, or this one does not allow it.
        """
        if not self._appcert:
            raise TokenError("there are no tokens without an appcert")
        return check_token(token, self._appid, self._appcert, channel=channel, uid=uid)

    async def use(self, grant: Grant) -> None:
        """Count a token as used.

        Raises:
            DuplicateSessionError: If it was used already, here or on another server.
            UnavailableError: If other servers cannot be asked.
        """
        if not grant.id:
            return
        first = self._used.admit(grant, time.time())
        if first and self._cluster is not None:
            try:
                first = await self._cluster.claim(grant)
            except BusError:
                raise UnavailableError(
                    "whether a token was used already is not known while the bus is away"
                ) from None
        if not first:
            raise DuplicateSessionError("the token was used already")

    def withdraw(self, token: str) -> Grant:
        """A token is good for nothing any more, on this server; returns what others are to claim.

        Raises:
            TokenError: If it is none of this application.
        """
        id, expires = identify_token(token, self._appid, self._appcert)
        grant = Grant("", 0, frozenset(), expires, id)
        # A token is used once: one that counts as used is good for nothing.
        self._used.admit(grant, time.time())
        return grant

    def revoke(self, id: str) -> None:
        """Whoever is connecting with the token of this id does not come in, either."""
        self._revoked.admit(Grant("", 0, frozenset(), FOREVER, id), time.time())

    def is_revoked(self, grant: Grant) -> bool:
        """Whether the token of somebody who connects was revoked meanwhile."""
        return bool(grant.id) and grant.id in self._revoked
