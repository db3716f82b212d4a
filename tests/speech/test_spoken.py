"""What a voice says of a text that was written to be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrtc_core.speech.sentences import Sentences
from fastrtc_core.speech.spoken import Spoken


def say(*pieces: str) -> list[str]:
    sentences, spoken = Sentences(), Spoken()
    parts = [part for piece in pieces for part in sentences.cut(piece)] + sentences.rest()
    return [words for part in parts if (words := spoken.clean(part))]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("**Bold**, *italic*, __both__, _one_, ~~none~~, `code` and ***all***.", None),
        ("# Heading #\n## Second\nText.", ["Heading", "Second", "Text."]),
        (
            "- one\n* two\n  + three\n- [x] done\n1. four",
            ["one", "two", "three", "done", "1. four"],
        ),
        ("> Quoted.\n> > Twice.", ["Quoted.", "Twice."]),
        ("Above.\n---\n***\nBelow.", ["Above.", "Below."]),
        (
            "| Name | Age |\n|------|:---:|\n| **Bob** | 42 |\nEnd.",
            ["Name, Age", "Bob, 42", "End."],
        ),
        ("Run:\n```python\nprint('Hi. There')\n\nx = 2\n```\nDone.", ["Run:", "Done."]),
        ("~~~\n```\n~~~\nDone.", ["Done."]),
        ('See [the docs](https://x.y/a_(b)?c=d "title").', ["See the docs."]),
        ("![A cat](cat.png) and [one][1][^2].", ["A cat and one."]),
        ("At https://www.example.com/a?b=c. Or <http://a.org>!", ["At example.com.", "Or a.org!"]),
        ("(see https://a.org/b), www.b.org/c", ["(see a.org), b.org"]),
        ("Great 😀 news 🎉! 👩‍👩‍👧 1️⃣ 🇩🇪", ["Great news!", "1"]),
        ("😀\n🎉!", []),
        ("R&amp;D &lt; &#39;x&#39; <b>bold</b><br/>", ["R&D < 'x' bold"]),
        ("**Stop it.** And **go. Now** then.", ["Stop it.", "And go.", "Now then."]),
        ("这是**粗体**文字。", ["这是粗体文字。"]),
        (r"Five \* six \_ seven", ["Five * six _ seven"]),
    ],
)
def test_only_the_words_are_spoken(text: str, words: list[str] | None) -> None:
    """Whole, and with every mark split over two pieces."""
    expected = words or ["Bold, italic, both, one, none, code and all."] if words != [] else []
    assert say(text) == expected
    assert say(*text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2 * 3 = 6, 2*3 and 2**3.",
        "The file snake_case_name.py has ____ in it.",
        "R&D of AT&T; a < b > c; <break time='1s'/>",
        "It was ~5 °C, -3 at night - or so #1 said, C# too.",
        "1. Milk",
        "Don't [sic] do (that)!",
        "C♯ minor costs 5 € → ok ™",
        "नमस्ते क्\u200dष है",
        "...",
    ],
)
def test_a_plain_text_passes_unchanged(text: str) -> None:
    """Signs that are not marks are kept."""
    assert Spoken().clean(text) == text


@given(
    st.text(st.characters(categories=["L", "N", "M"]) | st.sampled_from(" ,;'.?!-()"), max_size=80)
)
def test_words_and_punctuation_pass_unchanged(text: str) -> None:
    """Of any script; and what was cleaned is clean."""
    text = "x" + text.strip()
    assert Spoken().clean(text) == text


_MARKS = r"** _ ` ``` # - | [ ]( ) https://a.b/c &amp; <b> \ ~~ 😀 word . --- > 1. &#0; &#x110000;"
_marks = st.sampled_from([*_MARKS.split(), "# ", "- ", "> ", "1. ", ". ", " ", "\n", "\u200d"])


@given(st.lists(_marks | st.text(max_size=3), max_size=40))
def test_it_never_raises_and_the_pieces_make_no_difference(pieces: list[str]) -> None:
    """Whatever it is; nothing that is spoken is empty or has white space around it."""
    spoken = say(*pieces)
    assert spoken == say(*"".join(pieces))
    assert all(words == words.strip() for words in spoken)
