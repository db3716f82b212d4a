"""Sentences out of pieces of text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastrtc_core.speech.sentences import MAX_LENGTH, Sentences


def cut(*pieces: str) -> list[str]:
    sentences = Sentences()
    return [s for piece in pieces for s in sentences.push(piece)] + sentences.flush()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there. How are you? Fine!", ["Hello there.", "How are you?", "Fine!"]),
        ("It costs 3.5 euros. Buy it.", ["It costs 3.5 euros.", "Buy it."]),
        ("Dr. Jones met J. R. Smith, e.g. today. Yes.", None),
        ("Is it so?! No... Well.", ["Is it so?!", "No...", "Well."]),
        ('She said "Go." He went.', ['She said "Go."', "He went."]),
        ("One line\nanother line\n\n\nthe last", ["One line", "another line", "the last"]),
        ("今日は。元気ですか？はい！", ["今日は。", "元気ですか？", "はい！"]),
        ("No. I did. It was I. Really.", ["No.", "I did.", "It was I.", "Really."]),
        ("   ", []),
        ("no end", ["no end"]),
        (". . .", None),
    ],
)
def test_what_is_a_sentence(text: str, expected: list[str] | None) -> None:
    """By what people write; abbreviations and numbers end nothing."""
    if expected is None:
        expected = {
            "Dr. Jones met J. R. Smith, e.g. today. Yes.": [
                "Dr. Jones met J. R. Smith, e.g. today.",
                "Yes.",
            ],
            ". . .": [".", ".", "."],
        }[text]
    assert cut(text) == expected
    assert cut(*text) == expected, "one character at a time"


def test_the_first_sentence_comes_before_the_second_is_complete() -> None:
    """As soon as it is known to have ended: with the space behind it."""
    sentences = Sentences()
    assert sentences.push("Good mor") == []
    assert sentences.push("ning.") == [], "it may be 3.5"
    assert sentences.push(" How") == ["Good morning."]
    assert sentences.flush() == ["How"]
    assert sentences.flush() == []


def test_what_has_no_end_is_cut_at_a_space() -> None:
    """So that no one waits for ever, and nothing grows without a bound."""
    parts = cut("word " * 200)
    assert all(len(part) <= MAX_LENGTH for part in parts)
    assert all(set(part.split()) == {"word"} for part in parts)
    assert [len(part) for part in cut("x" * 1000)] == [300, 300, 300, 100]


@given(
    st.lists(st.text(st.sampled_from("aI .?!\n。,\"'3é") | st.characters(), max_size=40)),
)
@example(["Mr", ". X", ".", " "])
def test_nothing_is_lost_and_nothing_waits(pieces: list[str]) -> None:
    """Whatever it is, and wherever it was cut; no sentence is empty or too long."""
    sentences = cut(*pieces)
    text = "".join(pieces)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in sentences)
    assert all(len(sentence) <= MAX_LENGTH + 80 for sentence in sentences)


@pytest.mark.parametrize(
    "sentences",
    [
        ["मेरा नाम राम है।", "आप कैसे हैं?", "ठीक।"],
        ["آپ کیسے ہیں؟", "میں ٹھیک ہوں۔", "شکریہ۔"],
        ["كيف حالك؟", "أنا بخير.", "شكرا!"],
        ["Բարև ձեզ։", "Ինչպե՞ս եք։", "Լավ եմ։"],
        ["ሰላም ነው።", "እንዴት ነህ፧", "ደህና ነኝ።"],
        ["နေကောင်းလား။", "ကောင်းပါတယ်။"],
        ["សួស្តី។", "អរគុណ។"],
        ["Привет, мир.", "Это я.", "Как дела?"],
        ["Γεια σου.", "Τι κάνεις!"],
    ],
)
def test_each_script_has_marks_of_its_own(sentences: list[str]) -> None:
    """The sentence terminals of Unicode, with a space behind them."""
    assert cut(" ".join(sentences)) == sentences
    assert cut(*" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["We meet at 5 p.m. today.", "Yes."],
        ["It is 5 p.m.", "We go."],
        ["He left the U.S. now.", "Well."],
        ['She cried "Stop!" and left.', "He did not."],
        ['She said "Go."', "He went."],
        ["Acme Inc. and others.", "See approx. ten of them."],
        ["Это т. е. слова.", "Ул. 5, и др. места.", "Да."],
        ["no capitals here.", "but sentences."],
        ["Das ist z. B. Wasser.", "Ja, bzw. nicht."],
        ["No. 5 is alive.", "No.", "It is."],
        ["It was 2019.", "Then 2020 came."],
        ["Open https://example.com/?q=1.2 now.", "Done."],
        ["**Bold.**", "*Is it?*", "Yes."],
    ],
)
def test_a_stop_within_a_sentence_ends_nothing(sentences: list[str]) -> None:
    """Abbreviations, addresses, and quotations after which the sentence goes on."""
    assert cut(" ".join(sentences)) == sentences
    assert cut(*" ".join(sentences)) == sentences


def test_the_number_of_an_item_belongs_to_it() -> None:
    """At the beginning of a line."""
    assert cut("Buy:\n1. Milk\n2. Eggs. All fresh.\n") == [
        "Buy:",
        "1. Milk",
        "2. Eggs.",
        "All fresh.",
    ]


def test_quotations_without_spaces_stay_whole() -> None:
    """What opens belongs to what follows, what closes to what was before."""
    text = "今日は。「元気ですか？」はい！真的吗?是的!"
    assert cut(*text) == ["今日は。", "「元気ですか？」", "はい！", "真的吗?", "是的!"]


def test_a_script_without_marks_is_cut_at_a_late_space() -> None:
    """Thai speech does not wait for the end of the text; a repeated word keeps its mark."""
    clauses = [
        "สวัสดีครับ วันนี้อากาศดีมากเลยนะครับผมอยากไปเที่ยว",
        "ทะเลกับเพื่อน ๆ ของผมทุกคนในวันหยุดนี้เลย",
        "แล้ว",
    ]
    assert cut(" ".join(clauses)) == clauses
    unbroken = "ที่นี่" * 200
    assert all(len(part) <= MAX_LENGTH for part in cut(unbroken))
    assert not any(part[0] in "ี่" for part in cut(unbroken)), "no vowel is parted from its letter"


@pytest.mark.parametrize("word", ["morning", "day", "तुम"])
def test_an_ordinary_sentence_does_not_wait_for_the_next(word: str) -> None:
    """The space behind it is enough."""
    mark = "।" if word == "तुम" else "."
    assert Sentences().push(f"Good {word}{mark} ") == [f"Good {word}{mark}"]


def test_whether_a_sentence_is_at_its_end() -> None:
    """Asked where something comes in between."""
    for text, ended in {
        "Hello.": True,
        'He said "go!"': True,
        "ठीक।": True,
        "Hello, wor": False,
        "It costs 3.": False,
        "Dr.": False,
        "at 5 p.m.": False,
        "": False,
    }.items():
        sentences = Sentences()
        sentences.push(text)
        assert sentences.ended is ended, text


_texts = st.text(
    st.sampled_from("aIb .?!…\n\t\u2028。।,\"'“”()*3é๐กๆ\u0301") | st.characters(), max_size=80
) | st.lists(
    st.sampled_from(
        ["p.m.", "Dr.", "U.S.", "etc.", "No.", " ", "  ", "now", "Now", '"', ". ", "1."]
    )
).map("".join)


@given(_texts, st.data())
def test_the_pieces_make_no_difference(text: str, data: st.DataObject) -> None:
    """However it was cut, the sentences are the same; the text comes out as it went in."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert cut(*pieces) == cut(*text) == cut(text)
    whole = Sentences()
    assert "".join([*whole.cut(text), *whole.rest()]) == text.rstrip()


@pytest.mark.parametrize("unit", ["a", " ", "\n", "p.m. ", '."  ', "Hello there. "])
def test_what_is_kept_has_a_bound(unit: str) -> None:
    """So that each piece costs the same, however much came before it."""
    sentences = Sentences()
    for character in unit * (3000 // len(unit)):
        sentences.push(character)
        assert len(sentences._lead) + len(sentences._rest) <= 2 * MAX_LENGTH + 2
