"""Offers of clients of others, as text: what each of them writes differently.

Attributes that every one of them has stand in `_TRANSPORT`; what a client writes in its own way is
spelt out in its offer.
"""

from __future__ import annotations

from .offers import FINGERPRINT, chromium_offer

_TRANSPORT = f"""a=ice-ufrag:8hhY
a=ice-pwd:asd88fgpdd777uzjYhagZg
a=fingerprint:{FINGERPRINT}
a=setup:actpass
"""

_OPUS = """a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
"""

_VP8 = """a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
"""

_DATA = """a=sctp-port:5000
a=max-message-size:262144
"""


def offer(*sections: str, session: str = "", group: str | None = None) -> str:
    """A session description of these sections, in a BUNDLE group unless `group` is empty."""
    if group is None:
        mids = [line[6:] for s in sections for line in s.splitlines() if line.startswith("a=mid:")]
        group = " ".join(mids)
    head = "v=0\no=- 7 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n"
    head += f"a=group:BUNDLE {group}\n" if group else ""
    return (head + session + "".join(sections)).replace("\n", "\r\n")


def audio(
    mid: str = "0",
    extra: str = "a=sendrecv\n",
    *,
    port: int = 9,
    protocol: str = "UDP/TLS/RTP/SAVPF",
    body: str = _OPUS,
    formats: str = "111",
    transport: str = _TRANSPORT,
) -> str:
    """A section of audio."""
    named = f"a=mid:{mid}\n" if mid else ""
    return f"m=audio {port} {protocol} {formats}\nc=IN IP4 0.0.0.0\n{transport}{named}{extra}{body}"


def video(
    mid: str = "1",
    extra: str = "a=sendrecv\n",
    *,
    port: int = 9,
    protocol: str = "UDP/TLS/RTP/SAVPF",
    body: str = _VP8,
    formats: str = "96",
    transport: str = _TRANSPORT,
) -> str:
    """A section of video."""
    named = f"a=mid:{mid}\n" if mid else ""
    return f"m=video {port} {protocol} {formats}\nc=IN IP4 0.0.0.0\n{transport}{named}{extra}{body}"


def data(
    mid: str = "2",
    *,
    port: int = 9,
    protocol: str = "UDP/DTLS/SCTP",
    formats: str = "webrtc-datachannel",
    body: str = _DATA,
) -> str:
    """A section of data channels."""
    first = f"m=application {port} {protocol} {formats}\nc=IN IP4 0.0.0.0\n"
    return f"{first}{_TRANSPORT}a=mid:{mid}\n{body}"


def h264(*profiles: str) -> str:
    """The codecs of a section of video, each with these parameters, numbered from 102."""
    lines = "a=rtcp-mux\n"
    for number, parameters in enumerate(profiles, 102):
        lines += f"a=rtpmap:{number} H264/90000\na=rtcp-fb:{number} nack pli\n"
        lines += f"a=fmtp:{number} {parameters}\n" if parameters else ""
    return lines


_HIGH = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f"
_MAIN = "packetization-mode=1;profile-level-id=4d0032"
_CANDIDATES = "".join(
    f"a=candidate:{n} 1 udp {2**31 - n} 10.0.{n // 200}.{n % 200 + 1} 5{n:04} typ host\n"
    for n in range(90)
)
_STOPPED = (
    "m=video 0 UDP/TLS/RTP/SAVPF 120\nc=IN IP4 0.0.0.0\na=inactive\na=mid:1\n"
    "a=rtpmap:120 VP8/90000\n"
)

# By client: the modality of the stream, the offer, and what each section must be answered with.
OFFERS: dict[str, tuple[str, str, list[str]]] = {
    "chromium": ("audio-video", chromium_offer(), ["audio", "video", "application"]),
    "chromium: video to a stream of audio": (
        "audio",
        chromium_offer(),
        ["audio", "-", "application"],
    ),
    "chromium: audio to a stream of video": (
        "video",
        chromium_offer(),
        ["-", "video", "application"],
    ),
    "chromium: transceiver stopped": (
        "audio-video",
        offer(
            audio(),
            "m=video 0 UDP/TLS/RTP/SAVPF 96\nc=IN IP4 0.0.0.0\na=mid:1\na=inactive\n",
            data(),
            group="0 2",
        ),
        ["audio", "-", "application"],
    ),
    "chromium: max-bundle": (
        "audio-video",
        offer(
            audio(),
            video(
                port=0,
                transport="",
                extra="a=bundle-only\na=sendrecv\n",
                body=_VP8.replace("a=rtcp-mux\n", ""),
            ),
        ),
        ["audio", "video"],
    ),
    "chromium: two cameras": (
        "audio-video",
        offer(audio(), video(), video("2")),
        ["audio", "video", "-"],
    ),
    "chromium: addTransceiver, inactive": (
        "audio-video",
        offer(audio(), video(extra="a=inactive\n")),
        ["audio", "-"],
    ),
    "chromium: receives one video, sends another": (
        "video",
        offer(video("0", "a=recvonly\n"), video("1")),
        ["-", "video"],
    ),
    "chromium: cryptex and encrypted extensions": (
        "audio",
        offer(
            audio(
                extra="a=cryptex\na=sendrecv\n"
                "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on\n"
                "a=extmap:2 urn:ietf:params:rtp-hdrext:encrypt "
                "urn:ietf:params:rtp-hdrext:ssrc-audio-level\n"
                "a=extmap:4096 urn:example:later\na=extmap:7/recvonly urn:example:any a b\n"
            )
        ),
        ["audio"],
    ),
    "firefox": (
        "audio-video",
        offer(
            audio(
                transport="",
                body=_OPUS + "a=ice-ufrag:1b2c\na=ice-pwd:" + "5" * 24 + "\na=setup:actpass\n",
                formats="111",
            ),
            video(
                transport="",
                body=_VP8 + "a=ice-ufrag:1b2c\na=ice-pwd:" + "5" * 24 + "\na=setup:actpass\n",
            ),
            session=f"a=sendrecv\na=fingerprint:{FINGERPRINT}\na=ice-options:trickle\n",
        ),
        ["audio", "video"],
    ),
    "firefox: transceiver stopped": (
        "audio-video",
        offer(audio(), _STOPPED, data(), group="0 2"),
        ["audio", "-", "application"],
    ),
    "firefox: many interfaces": (
        "audio",
        offer(audio(extra=_CANDIDATES + "a=sendrecv\n")),
        ["audio"],
    ),
    "safari: H.264 High first": (
        "video",
        offer(video("0", body=h264(_HIGH, _HIGH.replace("640c", "42e0")), formats="102 103")),
        ["video"],
    ),
    "gstreamer": (
        "audio-video",
        offer(audio("audio0", "a=sendrecv\n"), video("video1", body=h264(_MAIN), formats="102")),
        ["audio", "video"],
    ),
    "gstreamer: bundle-policy none": (
        "audio-video",
        offer(audio(), video(), group=""),
        ["audio", "video"],
    ),
    "gstreamer: bundle-policy none, no video": (
        "audio",
        offer(audio(), video(), group=""),
        ["audio", "-"],
    ),
    "pion: sendonly, no direction of the other": (
        "audio-video",
        offer(audio(extra="a=sendonly\n"), video(extra="")),
        ["audio", "video"],
    ),
    "libdatachannel: data alone": ("audio", offer(data("0")), ["application"]),
    "libdatachannel: old SCTP": (
        "audio",
        offer(
            audio(),
            data(
                "2",
                protocol="DTLS/SCTP",
                formats="5000",
                body="a=sctpmap:5000 webrtc-datachannel 256\n",
            ),
        ),
        ["audio", "application"],
    ),
    "obs: WHIP": (
        "audio-video",
        offer(
            audio(extra="a=sendonly\n"),
            video(
                extra="a=sendonly\n",
                body=h264("profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1"),
                formats="102",
            ),
        ),
        ["audio", "video"],
    ),
    "obs: H.264 High 4.2": (
        "video",
        offer(
            video(
                "0",
                "a=sendonly\n",
                body=h264("packetization-mode=1;profile-level-id=64002a"),
                formats="102",
            )
        ),
        ["video"],
    ),
    "ffmpeg: WHIP": (
        "audio-video",
        offer(
            audio(extra="a=sendonly\n"),
            video(extra="a=sendonly\n", body=h264(_MAIN), formats="102"),
            session="a=extmap-allow-mixed\n",
        ),
        ["audio", "video"],
    ),
    "asterisk: no BUNDLE, no direction": ("audio", offer(audio("", ""), group=""), ["audio"]),
    "asterisk: no mid, two sections": (
        "audio-video",
        offer(audio("", ""), video("", ""), group=""),
        ["audio", "video"],
    ),
    "freeswitch: RTP/SAVPF": ("audio", offer(audio(protocol="RTP/SAVPF")), ["audio"]),
    "gateway: UDP/TLS/RTP/SAVP": ("audio", offer(audio(protocol="UDP/TLS/RTP/SAVP")), ["audio"]),
    "gateway: direction of the session": (
        "audio",
        offer(audio(extra=""), session="a=sendonly\n"),
        ["audio"],
    ),
    "gateway: hold": ("audio-video", offer(audio(extra="a=inactive\n"), video()), ["-", "video"]),
    "gateway: port 0 before BUNDLE": (
        "audio",
        offer(
            audio("0", port=0, transport="", body="a=rtpmap:111 opus/48000/2\n"),
            audio("1"),
            group="1",
        ),
        ["-", "audio"],
    ),
    "gateway: a text section": (
        "audio",
        offer(audio(), "m=text 9 RTP/SAVPF 98\na=mid:1\na=rtpmap:98 t140/1000\n", group="0"),
        ["audio", "-"],
    ),
    "gateway: fax": ("audio", offer(audio(), "m=image 9 udptl t38\n", group=""), ["audio", "-"]),
    "gateway: video of another codec": (
        "audio-video",
        offer(audio(), video(body="a=rtcp-mux\na=rtpmap:96 H265/90000\n")),
        ["audio", "-"],
    ),
    "device: two data sections": (
        "audio",
        offer(audio(), data("1"), data("2")),
        ["audio", "application", "-"],
    ),
    "device: H.264 in single packets": (
        "audio-video",
        offer(audio(), video(body=h264("profile-level-id=42e01f"), formats="102")),
        ["audio", "video"],
    ),
}
