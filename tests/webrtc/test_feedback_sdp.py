"""Transport-wide feedback and the bit rate to start with, in descriptions."""

from __future__ import annotations

from fastrtc_core.webrtc.sdp.description import Description
from fastrtc_core.webrtc.sdp.feedback import (
    URI,
    agreed_feedback,
    answer_feedback,
    offer_feedback,
)
from fastrtc_core.webrtc.sdp.video import describe_video


def section(
    kind: str,
    direction: str = "sendrecv",
    *,
    extension: str | None = "5",
    feedback: str | None = "96",
    port: int = 9,
) -> str:
    """One with two codecs, the second of which sends lost packets again."""
    codec = "opus/48000/2" if kind == "audio" else "VP8/90000"
    lines = [
        f"m={kind} {port} UDP/TLS/RTP/SAVPF 96 97",
        f"a=mid:{kind}",
        f"a={direction}",
        f"a=rtpmap:96 {codec}",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
    ]
    if extension is not None:
        lines.append(f"a=extmap:{extension} {URI}")
    if feedback is not None:
        lines.append(f"a=rtcp-fb:{feedback} transport-cc")
    return "\r\n".join(lines) + "\r\n"


def described(*sections: str) -> Description:
    return Description.parse("v=0\r\n" + "".join(sections))


def plain(kind: str, direction: str = "recvonly", port: int = 9) -> str:
    """A section of an answer as aiortc makes it."""
    return section(kind, direction, extension=None, feedback=None, port=port)


def test_it_is_agreed_for_audio_and_video() -> None:
    answer = described(plain("audio"), plain("video"))
    offer = described(section("audio"), section("video"))
    assert answer_feedback(answer, offer) == {"audio": 5, "video": 5}
    for one in answer.sections:
        assert one.lines.count(f"a=extmap:5 {URI}") == 1
        assert one.values("rtcp-fb") == ["96 transport-cc"], "a codec, and not its copies"
    assert agreed_feedback(answer) == {"audio": 5, "video": 5}


def test_it_may_be_offered_for_all_codecs_or_in_one_direction() -> None:
    answer = described(plain("video"))
    assert answer_feedback(
        answer, described(section("video", extension="7/sendonly", feedback="*"))
    )
    assert f"a=extmap:7 {URI}" in answer.sections[0].lines
    assert answer.sections[0].values("rtcp-fb") == ["96 transport-cc"]


def test_it_is_not_agreed_where_half_of_it_is_missing() -> None:
    """The numbers without the feedback, the feedback without the numbers, or for other codecs."""
    for missing in (
        section("video", extension=None),
        section("video", feedback=None),
        section("video", feedback="97"),
        section("video", extension="x"),
    ):
        answer = described(plain("video"))
        before = str(answer)
        assert answer_feedback(answer, described(missing)) == {}
        assert str(answer) == before


def test_it_is_not_agreed_where_there_is_no_video() -> None:
    """Audio alone, video that goes neither way, and video that is rejected."""
    audio, video = section("audio"), section("video")
    for answer, offer in (
        (described(plain("audio")), described(audio)),
        (described(plain("audio"), plain("video", "inactive")), described(audio, video)),
        (described(plain("audio"), plain("video", port=0)), described(audio, video)),
    ):
        assert answer_feedback(answer, offer) == {}
        assert URI not in str(answer)


def test_it_is_agreed_for_video_that_only_goes_out() -> None:
    """And not for the audio beside it, which has one bit rate."""
    answer = described(plain("audio", "sendrecv"), plain("video", "sendonly"))
    offer = described(section("audio"), section("video"))
    assert answer_feedback(answer, offer) == {"video": 5}
    assert URI not in "".join(answer.sections[0].lines)
    assert answer.sections[1].values("rtcp-fb") == ["96 transport-cc"]


def test_an_offer_has_it_with_an_id_that_is_free() -> None:
    offer = described(plain("audio", "sendrecv"), plain("video", "sendrecv"))
    offer.sections[0].lines += ["a=extmap:1 urn:one", "a=extmap:2/recvonly urn:two"]
    offer.sections[1].lines += ["a=extmap:4 urn:four"]
    offer_feedback(offer)
    assert agreed_feedback(offer) == {"audio": 3, "video": 3}
    offer_feedback(offer)
    assert str(offer).count(URI) == 2, "once"


def test_an_offer_has_it_for_video_that_only_goes_out() -> None:
    offer = described(plain("audio", "sendrecv"), plain("video", "sendonly"))
    offer_feedback(offer)
    assert agreed_feedback(offer) == {"video": 1}


def test_an_offer_of_audio_alone_has_none() -> None:
    offer = described(plain("audio", "sendrecv"), plain("video", "inactive"))
    offer_feedback(offer)
    assert URI not in str(offer)


def test_an_offer_without_a_free_id_has_none() -> None:
    offer = described(plain("video"))
    offer.sections[0].lines += [f"a=extmap:{number} urn:{number}" for number in range(1, 15)]
    offer_feedback(offer)
    assert URI not in str(offer)


def test_the_bit_rate_stands_beside_other_parameters() -> None:
    video = described(plain("audio"), plain("video"))
    lines = video.sections[1].lines
    lines += ["a=rtpmap:98 H264/90000", "a=fmtp:98 packetization-mode=1"]
    describe_video(video, 1_234_567)
    assert "a=fmtp:96 x-google-start-bitrate=1234" in lines
    assert "a=fmtp:98 packetization-mode=1;x-google-start-bitrate=1234" in lines
    assert "a=fmtp:97 apt=96" in lines
    assert "x-google" not in str(video.sections[0].lines)
