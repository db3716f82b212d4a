"""Offers as browsers write them, for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastrtc_core.webrtc.sdp.description import Description

FINGERPRINT = (
    "sha-256 1F:0A:7C:5C:4E:10:BD:4A:0B:9F:6A:8A:D0:5E:63:3A:"
    "9B:2C:44:59:0D:0E:2F:4B:71:AE:8C:15:3D:6B:22:90"
)

_SESSION = """v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE {mids}
a=extmap-allow-mixed
a=msid-semantic: WMS 3c6e7b8a-8d0f-4f3c-9c6e-0d3b6f1e7a55
"""

_TRANSPORT = """a=ice-ufrag:Qz1x
a=ice-pwd:8dT0jVYpTzkx3G9dGd4sKpTz
a=ice-options:trickle
a=fingerprint:{fingerprint}
a=setup:actpass
a=mid:{mid}
"""

CANDIDATE_UDP = (
    "a=candidate:842163049 1 udp 2122260223 192.168.1.7 51472 typ host generation 0 network-id 1"
)
CANDIDATE_MDNS = (
    "a=candidate:3988693849 1 udp 2113937151 7f5b9e0e-2f3b-4d6a-8f4c-2b1de0a5c1aa.local 56040 "
    "typ host generation 0 network-cost 999"
)
CANDIDATE_TCP = (
    "a=candidate:1510613869 1 tcp 1518280447 192.168.1.7 9 typ host tcptype active generation 0"
)

_AUDIO = """m=audio 51472 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 192.168.1.7
a=rtcp:9 IN IP4 0.0.0.0
{transport}a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=sendrecv
a=msid:3c6e7b8a-8d0f-4f3c-9c6e-0d3b6f1e7a55 9f3b4f0a-1c7a-4a5b-8d51-0f1d0c1e2b3a
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:2231627014 cname:4TOk42mSjXCkVIa6
a=ssrc:2231627014 msid:3c6e7b8a-8d0f-4f3c-9c6e-0d3b6f1e7a55 9f3b4f0a-1c7a-4a5b-8d51-0f1d0c1e2b3a
"""

_VIDEO = """m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
{transport}a=extmap:14 urn:ietf:params:rtp-hdrext:toffset
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:13 urn:3gpp:video-orientation
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=recvonly
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 transport-cc
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:102 H264/90000
a=rtcp-fb:102 nack
a=rtcp-fb:102 nack pli
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:103 rtx/90000
a=fmtp:103 apt=102
a=ssrc-group:FID 3570614608 1071263520
a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6
a=ssrc:1071263520 cname:4TOk42mSjXCkVIa6
"""

_APPLICATION = """m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
{transport}a=sctp-port:5000
a=max-message-size:262144
"""

_SECTIONS = {"audio": _AUDIO, "video": _VIDEO, "application": _APPLICATION}


def chromium_offer(
    *kinds: str, candidates: tuple[str, ...] = (CANDIDATE_UDP,), complete: bool = False
) -> str:
    """An offer as Chromium writes it, with these sections and candidates in the first of them.

    Args:
        kinds: `audio`, `video`, `application`; all three if none are named.
        candidates: Lines of candidates.
        complete: Whether gathering is complete: `a=end-of-candidates`.
    """
    kinds = kinds or ("audio", "video", "application")
    text = _SESSION.format(mids=" ".join(str(mid) for mid in range(len(kinds))))
    ending = ("a=end-of-candidates",) if complete else ()
    for mid, kind in enumerate(kinds):
        section = _SECTIONS[kind].format(
            transport=_TRANSPORT.format(fingerprint=FINGERPRINT, mid=mid)
        )
        first, rest = section.split("\n", 1)
        connection, rest = rest.split("\n", 1)
        lines = "".join(line + "\n" for line in (*candidates, *ending)) if mid == 0 else ""
        text += f"{first}\n{connection}\n{lines}{rest}"
    return text.replace("\n", "\r\n")


def edited(edit: Callable[..., None], sdp: str, *args: Any, **options: Any) -> str:
    """An SDP after it was edited."""
    description = Description.parse(sdp)
    edit(description, *args, **options)
    return str(description)
