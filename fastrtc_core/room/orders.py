"""What the application orders on one server, and every server carries out for its own members."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

from ..errors import ConfigurationError, MessageError
from ..messaging.naming import check_channel_name, check_uid
from .grants import MAX_TOKEN_ID
from .room import Member, MutedSource, Room

OrderKind = Literal["remove", "mute", "unmute", "end", "revoke"]


class Order(NamedTuple):
    """One order.

    Attributes:
        kind: What is to be done.
        channel: Where; empty for a token, which may be in use anywhere.
        uid: To whom; 0 for all.
        detail: The source that is muted, or the id of the token.
    """

    kind: OrderKind
    channel: str = ""
    uid: int = 0
    detail: str = ""


def read_order(note: dict[str, Any]) -> Order:
    """Read an order of another server.

    Raises:
        MessageError: If it is none.
    """
    given: list[Any] = [note.get(name) for name in Order._fields]
    kind, channel, uid, detail = given
    try:
        if kind not in get_args(OrderKind):
            raise MessageError(f"there is no order {str(kind)[:40]!r}")
        if kind != "revoke":
            check_channel_name(channel)
        check_uid(uid)
    except ConfigurationError as error:
        raise MessageError(str(error)) from None
    if not isinstance(detail, str) or len(detail) > MAX_TOKEN_ID:
        raise MessageError(f"the detail of an order has {MAX_TOKEN_ID} characters at most")
    if kind in ("mute", "unmute") and detail not in get_args(MutedSource):
        raise MessageError("an order mutes a microphone or a camera")
    return Order(kind, str(channel or ""), int(uid or 0), detail)


def obey(order: Order, rooms: dict[str, Room]) -> None:
    """Carry it out for the members of this server; nothing happens to those who are not here."""
    if order.kind == "revoke":
        for room in tuple(rooms.values()):
            for member in room.here:
                if member.grant is not None and member.grant.id == order.detail:
                    member.expel("revoked")
    elif (there := rooms.get(order.channel)) is not None:
        for member in there.here:
            if order.uid in (0, member.uid):
                _obey(order, there, member)


def _obey(order: Order, room: Room, member: Member) -> None:
    if order.kind == "end":
        member.expel("ended")
    elif order.kind == "remove":
        member.expel("removed")
    else:
        room.mute(member, order.detail, order.kind == "mute", by_server=True)
