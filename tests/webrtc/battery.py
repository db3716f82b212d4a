"""More offers by client, and what each section must be answered with; see `foreign`.

They are built of what each client writes in a way of its own: its codecs and their numbers, the
order of its lines, its transport, the form of its candidates, and what it leaves out.
"""

from __future__ import annotations

from .foreign import audio, data, h264, offer, video
from .offers import CANDIDATE_MDNS, CANDIDATE_TCP, CANDIDATE_UDP, FINGERPRINT, chromium_offer

Entry = tuple[str, str, list[str]]

_SHA512 = ":".join(f"{n:02X}" for n in range(64))
_UFRAG, _PWD = "a=ice-ufrag:4cXq\n", "a=ice-pwd:" + "pW9" * 8 + "\n"


def transport(
    setup: str = "actpass", *, options: str = "", fingerprint: str = FINGERPRINT, before: str = ""
) -> str:
    """ICE and DTLS of a section."""
    ice = f"{_UFRAG}{_PWD}" + (f"a=ice-options:{options}\n" if options else "")
    return f"{before}{ice}a=fingerprint:{fingerprint}\na=setup:{setup}\n"


def codecs(maps: dict[int, str], *lines: str) -> str:
    """Codecs by payload type, and further lines."""
    body = "a=rtcp-mux\n" + "".join(f"a=rtpmap:{n} {codec}\n" for n, codec in maps.items())
    return body + "".join(f"{line}\n" for line in lines)


def numbers(maps: dict[int, str]) -> str:
    """The formats of a section with these codecs."""
    return " ".join(map(str, maps))


def sounds(maps: dict[int, str], *lines: str, extra: str = "a=sendrecv\n", mid: str = "0") -> str:
    """A section of audio with these codecs."""
    return audio(mid, extra, body=codecs(maps, *lines), formats=numbers(maps))


def pictures(maps: dict[int, str], *lines: str, extra: str = "a=sendrecv\n", mid: str = "1") -> str:
    """A section of video with these codecs."""
    return video(mid, extra, body=codecs(maps, *lines), formats=numbers(maps))


def candidates(*lines: str) -> str:
    """Candidates in a section, before its direction."""
    return "".join(f"{line}\n" for line in lines) + "a=sendrecv\n"


def exchanged(sdp: str, *pairs: tuple[str, str]) -> str:
    """An offer in which parts are written otherwise."""
    for old, new in pairs:
        assert old in sdp, old
        sdp = sdp.replace(old, new)
    return sdp


def host(address: str, port: int = 50000, *, component: int = 1, kind: str = "host") -> str:
    """A candidate."""
    return f"a=candidate:1 {component} UDP 2130706431 {address} {port} typ {kind}"


OPUS, RED, DTMF = "opus/48000/2", "red/48000/2", "telephone-event/8000"
G711 = {0: "PCMU/8000", 8: "PCMA/8000"}
VP8, VP9, H264, AV1 = "VP8/90000", "VP9/90000", "H264/90000", "AV1/90000"
MODERN = {
    96: VP8,
    97: "rtx/90000",
    98: VP9,
    99: "rtx/90000",
    45: AV1,
    46: "rtx/90000",
    114: "red/90000",
    115: "rtx/90000",
    116: "ulpfec/90000",
    117: "flexfec-03/90000",
}
MODERN_FMTP = (
    "a=fmtp:97 apt=96",
    "a=fmtp:99 apt=98",
    "a=fmtp:46 apt=45",
    "a=fmtp:115 apt=114",
    "a=fmtp:98 profile-id=0",
    "a=fmtp:45 level-idx=5;profile=0;tier=0",
    "a=fmtp:117 repair-window=10000000",
)
EIGHT_H264 = tuple(
    f"level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}"
    for profile in ("42001f", "42e01f", "4d001f", "f4001f", "64001f")
    for mode in (1, 0)
)
_EXTENSIONS = "".join(
    f"a=extmap:{n} {uri}\n"
    for n, uri in enumerate(
        (
            "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            "urn:ietf:params:rtp-hdrext:sdes:mid",
            "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            "urn:3gpp:video-orientation",
            "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
        ),
        1,
    )
)
_SIMULCAST = "a=rid:h send\na=rid:m send\na=rid:l send\na=simulcast:send h;m;l\n"
_SSRC_SIMULCAST = "a=ssrc-group:SIM 1001 1002 1003\na=ssrc-group:FID 1001 2001\n" + "".join(
    f"a=ssrc:{n} cname:x\n" for n in (1001, 1002, 1003, 2001, 2002, 2003)
)
_MSID = "a=msid:{stream} {track}\na=ssrc:77 cname:c\na=ssrc:77 msid:{stream} {track}\n"
_BOTH, _ALL = ["audio", "video"], ["audio", "video", "application"]

BROWSERS: dict[str, Entry] = {
    "chromium: audio alone": ("audio", chromium_offer("audio"), ["audio"]),
    "chromium: data first": (
        "audio-video",
        chromium_offer("application", "audio", "video"),
        ["application", "audio", "video"],
    ),
    "chromium: video first": ("audio-video", chromium_offer("video", "audio"), ["video", "audio"]),
    "chromium: mDNS alone": (
        "audio",
        chromium_offer("audio", candidates=(CANDIDATE_MDNS,), complete=True),
        ["audio"],
    ),
    "chromium: TCP alone": (
        "audio",
        chromium_offer("audio", candidates=(CANDIDATE_TCP,), complete=True),
        ["audio"],
    ),
    "chromium: all kinds of candidates": (
        "audio-video",
        chromium_offer(
            candidates=(
                CANDIDATE_MDNS,
                CANDIDATE_UDP,
                CANDIDATE_TCP,
                "a=candidate:1 1 udp 1677729535 203.0.113.5 40000 typ srflx raddr 0.0.0.0 rport 0",
                "a=candidate:2 1 udp 41885439 203.0.113.9 3478 typ relay raddr 0.0.0.0 rport 0",
                "a=candidate:3 1 udp 2122262783 2001:db8::17 50001 typ host network-id 3",
            ),
            complete=True,
        ),
        _ALL,
    ),
    "chromium: trickle, nothing gathered": ("audio-video", chromium_offer(candidates=()), _ALL),
    "chromium: every codec of video": (
        "audio-video",
        offer(audio(), pictures(MODERN, *MODERN_FMTP)),
        _BOTH,
    ),
    "chromium: H.264 in ten forms": (
        "video",
        offer(video("0", body=h264(*EIGHT_H264), formats=" ".join(map(str, range(102, 112))))),
        ["video"],
    ),
    "chromium: every header extension": ("audio", offer(audio(extra=_EXTENSIONS)), ["audio"]),
    "chromium: simulcast by rid": (
        "audio-video",
        offer(audio(), video(extra="a=sendonly\n" + _EXTENSIONS + _SIMULCAST)),
        _BOTH,
    ),
    "chromium: simulcast by ssrc, munged": (
        "audio-video",
        offer(audio(), video(extra="a=sendrecv\n" + _SSRC_SIMULCAST)),
        _BOTH,
    ),
    "chromium: RED first": (
        "audio",
        offer(sounds({63: RED, 111: OPUS}, "a=fmtp:63 111/111")),
        ["audio"],
    ),
    "chromium: G.711 preferred": ("audio", offer(sounds({**G711, 111: OPUS})), ["audio"]),
    "chromium: stereo": (
        "audio",
        offer(sounds({111: OPUS}, "a=fmtp:111 minptime=10;stereo=1;useinbandfec=1;usedtx=1")),
        ["audio"],
    ),
    "chromium: multiopus beside Opus": (
        "audio",
        offer(
            sounds(
                {111: OPUS, 112: "multiopus/48000/6"},
                "a=fmtp:112 channel_mapping=0,4,1,2,3,5;coupled_streams=2;num_streams=4",
            )
        ),
        ["audio"],
    ),
    "chromium: Plan B": (
        "audio-video",
        offer(
            audio("audio", "a=sendrecv\n" + _MSID.format(stream="s", track="a")),
            video("video", "a=sendrecv\n" + _MSID.format(stream="s", track="v")),
        ),
        _BOTH,
    ),
    "chromium: recvonly": (
        "audio-video",
        offer(audio(extra="a=recvonly\n"), video(extra="a=recvonly\n")),
        _BOTH,
    ),
    "chromium: one media direction each": (
        "audio-video",
        offer(audio(extra="a=recvonly\n"), video(extra="a=sendonly\n")),
        _BOTH,
    ),
    "chromium: a bundle in another order": (
        "audio-video",
        offer(audio(), video(), data(), group="1 2 0"),
        _ALL,
    ),
    "chromium: section used again under another mid": (
        "audio-video",
        offer(audio(), video("5"), data(), group="0 5 2"),
        _ALL,
    ),
    "chromium: a second stopped microphone": (
        "audio",
        offer(audio(), "m=audio 0 UDP/TLS/RTP/SAVPF 0\nc=IN IP4 0.0.0.0\na=mid:1\n", group="0"),
        ["audio", "-"],
    ),
    "chromium: goog attributes": (
        "audio-video",
        offer(
            audio(),
            pictures(
                {96: VP8},
                "a=fmtp:96 x-google-start-bitrate=1000;x-google-max-bitrate=2500",
                "b=AS:2500",
                "a=x-google-flag:conference",
            ),
        ),
        _BOTH,
    ),
    "firefox: full": (
        "audio-video",
        exchanged(
            offer(
                sounds(
                    {109: OPUS, 9: "G722/8000/1", **G711, 101: "telephone-event/8000/1"},
                    "a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1",
                    "a=fmtp:101 0-15",
                    "a=ssrc:1001 cname:{c}",
                    extra="a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level\n"
                    "a=sendrecv\n",
                ),
                pictures(
                    {120: VP8, 124: "rtx/90000", 121: VP9, 125: "rtx/90000"},
                    "a=fmtp:120 max-fs=12288;max-fr=60",
                    "a=fmtp:124 apt=120",
                    "a=fmtp:125 apt=121",
                ),
                data(),
                session="a=msid-semantic:WMS *\na=ice-options:trickle\n",
            ),
            ("o=- 7 2", "o=mozilla...THIS_IS_SDPARTA-99.0 7 0"),
        ),
        _ALL,
    ),
    "firefox: data alone": (
        "audio",
        offer(data("0", body="a=sendrecv\na=sctp-port:5000\na=max-message-size:1073741823\n")),
        ["application"],
    ),
    "firefox: H.264 in two modes": (
        "video",
        offer(
            video(
                "0",
                body=h264(
                    "profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1",
                    "profile-level-id=42e01f;level-asymmetry-allowed=1",
                ),
                formats="102 103",
            )
        ),
        ["video"],
    ),
    "firefox: no bundle but one section": ("audio", offer(audio(), group="0"), ["audio"]),
    "firefox: max-compat, ports that differ": (
        "audio-video",
        offer(audio(port=51000), video(port=51002)),
        _BOTH,
    ),
    "safari: receives one stream": (
        "audio-video",
        offer(
            audio(extra="a=recvonly\n"),
            video(
                extra="a=recvonly\n",
                body=h264("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f"),
                formats="102",
            ),
        ),
        _BOTH,
    ),
    "safari: H.265 first": (
        "video",
        offer(pictures({104: "H265/90000", 96: VP8}, mid="0")),
        ["video"],
    ),
    "safari: no component of RTCP": ("audio", offer(audio(), session="a=rtcp-rsize\n"), ["audio"]),
    "react-native: LF line ends": ("audio-video", chromium_offer().replace("\r\n", "\n"), _ALL),
    "browser: blank lines at the end": ("audio", chromium_offer("audio") + "\r\n\r\n", ["audio"]),
    "browser: no line end at the end": ("audio", chromium_offer("audio").rstrip(), ["audio"]),
}

LIBRARIES: dict[str, Entry] = {
    "aiortc": (
        "audio-video",
        offer(
            sounds({96: OPUS, 9: "G722/8000", **G711}),
            pictures({97: VP8, 98: "rtx/90000"}, "a=fmtp:98 apt=97"),
            data("2", body="a=sctp-port:5000\na=max-message-size:65536\n"),
            session="a=msid-semantic:WMS *\n",
        ),
        _ALL,
    ),
    "aiortc: several hashes": (
        "audio",
        offer(
            audio(
                transport=transport(
                    before=f"a=fingerprint:sha-512 {_SHA512}\n"
                    f"a=fingerprint:sha-384 {_SHA512[: 48 * 3 - 1]}\n"
                )
            )
        ),
        ["audio"],
    ),
    "gstreamer: active": ("audio", offer(audio(transport=transport("active"))), ["audio"]),
    "gstreamer: passive": ("audio", offer(audio(transport=transport("passive"))), ["audio"]),
    "gstreamer: H.264 with sets of parameters": (
        "video",
        offer(
            video(
                "video0",
                "a=sendonly\na=ssrc:9 msid:user9@host webrtctransceiver0\na=ssrc:9 cname:user9\n",
                body=h264(
                    "packetization-mode=1;profile-level-id=4d4028;"
                    "sprop-parameter-sets=Z01AKJZSAPAET8uA,aO48gA=="
                ),
                formats="102",
            )
        ),
        ["video"],
    ),
    "gstreamer: H.264 without mode": (
        "video",
        offer(video("0", body=h264("profile-level-id=42c01f"), formats="102")),
        ["video"],
    ),
    "gstreamer: Opus with sprop": (
        "audio",
        offer(
            sounds({97: "OPUS/48000/2"}, "a=fmtp:97 sprop-stereo=0;sprop-maxcapturerate=48000"),
            session="a=ice-options:trickle\n",
        ),
        ["audio"],
    ),
    "gstreamer: ULPFEC and RED": (
        "video",
        offer(pictures({96: VP8, 100: "red/90000", 101: "ulpfec/90000"}, mid="0")),
        ["video"],
    ),
    "pion": (
        "audio-video",
        offer(
            audio(transport=transport(), extra="a=ssrc:1 cname:pion\na=sendrecv\n"),
            video(transport=transport()),
            data(),
            session=f"a=fingerprint:{FINGERPRINT}\na=extmap-allow-mixed\n",
        ),
        _ALL,
    ),
    "pion: ICE lite": (
        "audio",
        offer(
            audio(extra=candidates(host("203.0.113.7"), "a=end-of-candidates")),
            session="a=ice-lite\n",
        ),
        ["audio"],
    ),
    "pion: candidates of both components": (
        "audio",
        offer(audio(extra=candidates(host("10.0.0.1"), host("10.0.0.1", 50001, component=2)))),
        ["audio"],
    ),
    "pion: data with a zero port of SCTP": (
        "audio",
        offer(audio(), data("1", body="a=sendrecv\na=sctp-port:5000\n")),
        ["audio", "application"],
    ),
    "libdatachannel": (
        "audio",
        exchanged(
            offer(
                data("0", body="a=sendrecv\na=sctp-port:5000\na=max-message-size:262144\n"),
                session="a=msid-semantic:WMS *\na=ice-options:ice2,trickle\n"
                f"a=fingerprint:{FINGERPRINT}\na=setup:actpass\n{_UFRAG}{_PWD}",
            ),
            ("o=- 7 2", "o=rtc 3098121 0"),
        ),
        ["application"],
    ),
    "libdatachannel: sends H.264": (
        "video",
        offer(
            video(
                "video",
                "a=sendonly\na=msid:stream video\na=ssrc:42 cname:video\n",
                body=h264("profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1"),
                formats="102",
            ),
            session="a=ice-options:ice2,trickle\n",
        ),
        ["video"],
    ),
    "werift": (
        "audio-video",
        offer(
            sounds(
                {96: OPUS, 0: "PCMU/8000"}, extra="a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\n"
            ),
            pictures({97: VP8}, "a=rtcp-fb:97 ccm fir", "a=rtcp-fb:97 goog-remb"),
        ),
        _BOTH,
    ),
    "str0m": (
        "audio-video",
        offer(
            sounds({111: OPUS}, mid="abc"),
            pictures({96: VP8, 97: "rtx/90000"}, "a=fmtp:97 apt=96", mid="d_1"),
            data("z9"),
            session="a=msid-semantic:WMS *\na=ice-options:trickle ice2\n",
        ),
        _ALL,
    ),
    "webrtc-rs: data first, recvonly": (
        "audio-video",
        offer(data("0"), audio("1", "a=recvonly\n"), video("2", "a=recvonly\n")),
        ["application", "audio", "video"],
    ),
    "sipsorcery: PCMU first, no fmtp": (
        "audio",
        offer(sounds({0: "PCMU/8000", 111: "OPUS/48000/2", 101: DTMF}, "a=fmtp:101 0-16")),
        ["audio"],
    ),
    "libpeer: the smallest": (
        "audio",
        offer(
            audio(
                "0",
                "a=sendrecv\n",
                transport=f"{_UFRAG}{_PWD}a=fingerprint:{FINGERPRINT}\na=setup:passive\n",
                body=codecs({111: OPUS}),
            )
        ),
        ["audio"],
    ),
    "esp32: G.711 and Opus, H.264 Baseline": (
        "audio-video",
        offer(
            sounds({8: "PCMA/8000", 111: OPUS}),
            video(body=h264("profile-level-id=42001f;packetization-mode=1"), formats="102"),
        ),
        _BOTH,
    ),
}

STREAMERS: dict[str, Entry] = {
    "obs: BUNDLE and ice2": (
        "audio-video",
        offer(
            audio(extra="a=sendonly\na=msid:obs audio\n"),
            video(
                extra="a=sendonly\na=msid:obs video\n",
                body=h264("profile-level-id=42e01f;packetization-mode=1"),
                formats="102",
            ),
            session="a=ice-options:ice2,trickle\n",
        ),
        _BOTH,
    ),
    "obs: AV1 alone": (
        "audio-video",
        offer(audio(extra="a=sendonly\n"), pictures({98: AV1}, extra="a=sendonly\n")),
        ["audio", "-"],
    ),
    "obs: sound alone": ("audio-video", offer(audio(extra="a=sendonly\n")), ["audio"]),
    "ffmpeg: H.264 High, no bundle": (
        "audio-video",
        offer(
            audio(extra="a=sendonly\n"),
            video(
                extra="a=sendonly\n",
                body=h264("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640028"),
                formats="102",
            ),
            group="",
        ),
        _BOTH,
    ),
    "whip: video before audio": (
        "audio-video",
        offer(video("0", "a=sendonly\n"), audio("1", "a=sendonly\n")),
        ["video", "audio"],
    ),
    "whep: recvonly of both": (
        "audio-video",
        offer(video("0", "a=recvonly\n"), audio("1", "a=recvonly\n")),
        ["video", "audio"],
    ),
    "larix: H.265 and H.264": (
        "audio-video",
        offer(
            audio(extra="a=sendonly\n"),
            pictures(
                {100: "H265/90000", 102: H264},
                "a=fmtp:102 packetization-mode=1;profile-level-id=4d401f",
                extra="a=sendonly\n",
            ),
        ),
        _BOTH,
    ),
    "camera: H.264 without fmtp": (
        "video",
        offer(video("0", "a=sendonly\n", body=h264(""), formats="102")),
        ["video"],
    ),
    "camera: H.264 interleaved alone": (
        "audio-video",
        offer(audio(), video(body=h264("packetization-mode=2;profile-level-id=42e01f"))),
        ["audio", "-"],
    ),
    "camera: Extended profile and VP8": (
        "video",
        offer(
            pictures(
                {102: H264, 96: VP8},
                "a=fmtp:102 packetization-mode=1;profile-level-id=58001e",
                mid="0",
            )
        ),
        ["video"],
    ),
    "camera: High 10 and spaces in its fmtp": (
        "video",
        offer(
            video(
                "0",
                "a=sendonly\n",
                body=h264("packetization-mode=1; profile-level-id=6E0028; max-mbps=245760"),
                formats="102",
            )
        ),
        ["video"],
    ),
}

GATEWAYS: dict[str, Entry] = {
    "janus": (
        "audio-video",
        offer(
            audio("a", "a=sendonly\na=msid:janus janusa0\na=ssrc:3 cname:janus\n"),
            video("v", "a=sendonly\na=msid:janus janusv0\na=ssrc:4 cname:janus\n"),
            session="a=msid-semantic: WMS janus\na=ice-options:trickle\n",
        ),
        _BOTH,
    ),
    "janus: ICE lite, ended": (
        "audio",
        offer(
            audio(extra=candidates(host("198.51.100.4"), "a=end-of-candidates")),
            session="a=ice-lite\na=ice-options:ice2\n",
        ),
        ["audio"],
    ),
    "janus: AudioBridge": (
        "audio",
        offer(
            sounds(
                {100: OPUS},
                "a=fmtp:100 maxplaybackrate=16000; stereo=0; sprop-stereo=0; useinbandfec=0",
            )
        ),
        ["audio"],
    ),
    "asterisk": (
        "audio",
        offer(
            audio(
                "",
                "a=connection:new\na=sendrecv\na=ptime:20\na=maxptime:60\n"
                + host("10.1.2.3")
                + "\n",
                port=18250,
                body=codecs({107: OPUS, **G711, 101: DTMF}, "a=fmtp:101 0-16"),
                formats="107 0 8 101",
            ),
            group="",
            session="a=msid-semantic:WMS *\n",
        ),
        ["audio"],
    ),
    "asterisk: with a bundle": (
        "audio-video",
        offer(
            sounds({107: OPUS, 0: "PCMU/8000"}, mid="audio-0"),
            pictures({99: H264}, "a=fmtp:99 profile-level-id=42e01f", mid="video-1"),
            group="audio-0 video-1",
        ),
        _BOTH,
    ),
    "freeswitch": (
        "audio",
        exchanged(
            offer(
                audio(
                    "",
                    "a=rtcp:27362 IN IP4 198.51.100.7\na=ssrc:5 cname:fs\na=ssrc:5 mslabel:m\n"
                    "a=ssrc:5 label:a0\n" + host("198.51.100.7", 27362) + "\n",
                    port=27362,
                    protocol="RTP/SAVPF",
                    body=codecs(
                        {102: OPUS, 9: "G722/8000", **G711, 103: "telephone-event/48000"},
                        "a=fmtp:102 useinbandfec=1; maxaveragebitrate=30000; ptime=20; stereo=0",
                        "a=fmtp:103 0-15",
                        "a=ptime:20",
                    ),
                    formats="102 9 0 8 103",
                ),
                group="",
                session="a=msid-semantic: WMS fs\n",
            ),
            ("o=- 7 2", "o=FreeSWITCH 1700000000 1700000001"),
        ),
        ["audio"],
    ),
    "freeswitch: video by RTP/SAVPF": (
        "audio-video",
        offer(audio("", protocol="RTP/SAVPF"), video("", protocol="RTP/SAVPF"), group=""),
        _BOTH,
    ),
    "kurento": (
        "audio-video",
        exchanged(
            offer(
                sounds({96: OPUS, 0: "PCMU/8000"}, mid="audio0", extra="a=sendrecv\nb=AS:500\n"),
                pictures(
                    {97: VP8, 102: H264, 98: VP9},
                    "a=rtcp-fb:97 ccm fir",
                    "a=fmtp:102 packetization-mode=1;profile-level-id=42001f",
                    mid="video0",
                ),
            ),
            ("s=-", "s=Kurento Media Server"),
        ),
        _BOTH,
    ),
    "mediasoup": (
        "audio-video",
        offer(
            audio(extra="a=recvonly\n" + _EXTENSIONS),
            video(
                extra="a=recvonly\na=rid:r0 recv\na=rid:r1 recv\na=simulcast:recv r0;r1\n",
                body=codecs({101: VP8, 102: "rtx/90000"}, "a=fmtp:102 apt=101"),
                formats="101 102",
            ),
            session="a=ice-lite\na=msid-semantic: WMS *\n",
        ),
        _BOTH,
    ),
    "mediasoup: renomination": (
        "audio",
        offer(audio(transport=transport(options="renomination"))),
        ["audio"],
    ),
    "livekit: data first": (
        "audio-video",
        offer(
            data("0"),
            audio("1", "a=sendonly\n"),
            video("2", "a=sendonly\n"),
            session="a=extmap-allow-mixed\n",
        ),
        ["application", "audio", "video"],
    ),
    "livekit: three subscribed sections": (
        "audio",
        offer(audio("0", "a=sendonly\n"), audio("1", "a=sendonly\n"), audio("2", "a=inactive\n")),
        ["audio", "-", "-"],
    ),
    "jitsi: many sources": (
        "audio",
        offer(
            audio(extra="a=sendrecv\n" + "".join(f"a=ssrc:{n} cname:c{n}\n" for n in range(1, 20)))
        ),
        ["audio"],
    ),
    "jitsi: H.264 before VP8, with rtx": (
        "video",
        offer(
            pictures(
                {107: H264, 99: "rtx/90000", 100: VP8, 96: "rtx/90000"},
                "a=fmtp:107 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
                "a=fmtp:99 apt=107",
                "a=fmtp:96 apt=100",
                mid="0",
            )
        ),
        ["video"],
    ),
    "sip.js: DTMF and a hold of video": (
        "audio-video",
        offer(sounds({111: OPUS, 126: DTMF}), video(extra="a=inactive\n")),
        ["audio", "-"],
    ),
    "gateway: BFCP and slides": (
        "audio-video",
        offer(
            audio(),
            video("1", "a=content:main\na=sendrecv\n"),
            video("2", "a=content:slides\na=sendonly\n"),
            "m=application 9 UDP/BFCP *\na=floorctrl:c-s\na=mid:3\n",
            group="0 1 2",
        ),
        ["audio", "video", "-", "-"],
    ),
    "gateway: SDES keys beside DTLS": (
        "audio",
        offer(
            audio(
                extra="a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
                "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\na=sendrecv\n"
            )
        ),
        ["audio"],
    ),
    "gateway: transport of the session": (
        "audio-video",
        offer(
            audio(transport=""),
            video(transport=""),
            session=f"{_UFRAG}{_PWD}a=fingerprint:{FINGERPRINT}\na=setup:actpass\n",
        ),
        _BOTH,
    ),
    "gateway: inactive session, one section sends": (
        "audio-video",
        offer(audio(extra=""), video(extra="a=sendonly\n"), session="a=inactive\n"),
        ["-", "video"],
    ),
    "gateway: two groups": (
        "audio-video",
        offer(audio(), video(), data(), group="0 2", session="a=group:LS 0 1\n"),
        _ALL,
    ),
    "gateway: a bundle of a part": (
        "audio-video",
        offer(audio(), video(), data(), group="0 1"),
        _ALL,
    ),
    "gateway: IPv6": (
        "audio",
        exchanged(
            offer(audio(extra=candidates(host("2001:db8::5"), host("fe80::1")))),
            ("c=IN IP4 0.0.0.0", "c=IN IP6 ::"),
            ("o=- 7 2 IN IP4 127.0.0.1", "o=- 7 2 IN IP6 ::1"),
        ),
        ["audio"],
    ),
    "gateway: candidates with extensions": (
        "audio",
        offer(
            audio(
                extra=candidates(
                    host("10.0.0.9") + " generation 0 ufrag 4cXq network-id 2 network-cost 50",
                    host("host.example.com", 50002),
                    host("10.0.0.9", 9, kind="host tcptype passive").replace("UDP", "TCP"),
                )
            )
        ),
        ["audio"],
    ),
    "gateway: unknown attributes and lines": (
        "audio",
        offer(
            audio(extra="i=main\nb=TIAS:64000\nb=AS:96\na=x-own:1\na=sendrecv\na=label:7\n"),
            session="i=call\nu=http://example.com\na=tool:gw\na=x-a\na=charset:UTF-8\n",
        ),
        ["audio"],
    ),
    "gateway: fingerprint in small letters": (
        "audio",
        offer(audio(transport=transport(fingerprint=FINGERPRINT.lower()))),
        ["audio"],
    ),
    "gateway: static numbers without rtpmap": (
        "audio",
        offer(audio(body=codecs({111: OPUS}), formats="0 8 111")),
        ["audio"],
    ),
    "gateway: low dynamic numbers": ("audio", offer(sounds({35: OPUS, 36: RED})), ["audio"]),
    "gateway: Opus twice": ("audio", offer(sounds({96: OPUS, 111: OPUS})), ["audio"]),
}

MORE = {**BROWSERS, **LIBRARIES, **STREAMERS, **GATEWAYS}
