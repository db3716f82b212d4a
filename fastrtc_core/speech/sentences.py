r"""Sentences out of a text that arrives in pieces, such as the tokens of a language model.

Speech can begin with the first sentence while the rest is still being written. What is pushed
comes out again in order: joined, the sentences are the text, but for the white space between them.
How the text was cut into pieces makes no difference.

The rules are those of Unicode's sentence boundaries (UAX #29), with four changes for speech:

- `.`, `!` and `?` want white space after them, for addresses such as `example.com/?q=1`; before a
  letter of a script without case, `!` and `?` do not.
- What follows is looked at only where it can matter: after an abbreviation, a number, or a closing
  quotation mark. Any other sentence is complete with the white space behind it.
- An opening bracket or quotation mark belongs to the sentence that it opens.
- Thai and Lao, which have no marks, are cut at a space that comes late enough, and every text
  after `MAX_LENGTH` characters.
"""

from __future__ import annotations

import re
import unicodedata

MAX_LENGTH = 300
"""Characters after which a text without an end is cut, at a space if there is one."""

CLAUSE_LENGTH = 40
"""Characters after which a space ends a clause, in scripts without marks."""

_TERMINALS = (
    # Sentence_Terminal in Unicode 14.0 (PropList.txt), without the ASCII ones, ...
    r"\u0589\u061D-\u061F\u06D4\u0700-\u0702\u07F9\u0837\u0839\u083D\u083E\u0964\u0965\u104A\u104B"
    r"\u1362\u1367\u1368\u166E\u1735\u1736\u1803\u1809\u1944\u1945\u1AA8-\u1AAB\u1B5A\u1B5B\u1B5E"
    r"\u1B5F\u1B7D\u1B7E\u1C3B\u1C3C\u1C7E\u1C7F\u203C\u203D\u2047-\u2049\u2E2E\u2E3C\u2E53\u2E54"
    r"\u3002\uA4FF\uA60E\uA60F\uA6F3\uA6F7\uA876\uA877\uA8CE\uA8CF\uA92F\uA9C8\uA9C9\uAA5D-\uAA5F"
    r"\uAAF0\uAAF1\uABEB\uFE56\uFE57\uFF01\uFF0E\uFF1F\uFF61\U00010A56\U00010A57"
    r"\U00010F55-\U00010F59\U00010F86-\U00010F89\U00011047\U00011048\U000110BE-\U000110C1"
    r"\U00011141-\U00011143\U000111C5\U000111C6\U000111CD\U000111DE\U000111DF\U00011238\U00011239"
    r"\U0001123B\U0001123C\U000112A9\U0001144B\U0001144C\U000115C2\U000115C3\U000115C9-\U000115D7"
    r"\U00011641\U00011642\U0001173C-\U0001173E\U00011944\U00011946\U00011A42\U00011A43\U00011A9B"
    r"\U00011A9C\U00011C41\U00011C42\U00011EF7\U00011EF8\U00016A6E\U00016A6F\U00016AF5\U00016B37"
    r"\U00016B38\U00016B44\U00016E98\U0001BC9F\U0001DA88"
    # ... and those of Tibetan and Khmer.
    r"\u0F0D\u0F0E\u17D4\u17D5"
)


def _of_category(*categories: str) -> str:
    """The punctuation of these general categories, as the inside of a class of characters."""
    found = (chr(c) for c in range(0x3400) if unicodedata.category(chr(c)) in categories)
    wide = (chr(c) for c in range(0xFE00, 0x10000) if unicodedata.category(chr(c)) in categories)
    return re.escape("".join((*found, *wide)))


_CLOSERS = _of_category("Pe", "Pf") + "\"'*_~`"
"""With the marks of Markdown: `**Stop!** Go on.`"""

_CLOSERS_BEFORE_SPACE = _CLOSERS + _of_category("Pi")
"""German closes with “ what others open with it."""

_SEPARATORS = "\n\r\x85\u2028\u2029"

_SPACE = re.compile(r"\s*")
_CANDIDATE = re.compile(
    rf"(?P<line>[{_SEPARATORS}])"
    rf"|(?P<wide>[.!?…{_TERMINALS}]*[{_TERMINALS}])[{_CLOSERS}]*"
    rf"|(?P<mark>[.!?…]+)(?P<closers>[{_CLOSERS_BEFORE_SPACE}]*)"
    r"|(?P<clause>(?<=[\u0E01-\u0E5B\u0E81-\u0EDF]) +)"
)
_ENDED = re.compile(
    rf"(?:[{_TERMINALS}]|(?P<mark>[.!?…]+))(?P<closers>[{_CLOSERS_BEFORE_SPACE}]*)\s*\Z"
)
_OPENERS = "(\"'“‘«„¿¡[{*_~`"

# From the suppressions of CLDR (common/segments) for English, German, Spanish, French, Italian,
# Portuguese, Russian and Greek. The language is not known, so what is a common word in one of them
# is left out, and only what a name follows ends no sentence whatever comes next.
_BEFORE_NAMES = """
mr mrs ms dr drs prof profa st sr jr messrs rev gen capt lt sgt maj cmdr gov rep sen pres vs e.g i.e
fig figs approx ph.d mgr hr hrn frl dipl ing dipl.-ing z.b d.h u.a s.o s.u o.g u.u z.t i.d.r bzw vgl
ggf evtl sog inkl exkl zzgl sra sras srta sres srs dra dña lic ldo excmo ilmo exmo avda p.ej p.ex
mme mlle cf cfr dott sig avv проф напр
"""
_OTHERS = """
abs abt acad adj adm adr adv allg alt amtl anc ann apr apt art aug ausg av avr aux bd bibl bull ca
cap caps co cod col coll comm comp config conn cont corp créd déc dec def dep dept des desc dest dez
dim dir doc dpto dtzd déb ed eds edit ehem einschl entspr erw esp est etc ev ex exec exempl ext fac
fam fasc feb fem fev févr fis fl fn frz fund geb gebr gem gesch gest gouv gram hist hnos hôp hz ill
illustr imm inc incl ind inh int jahrh jan janv jew jhrl juil jul jun kap kath kfm kgl lat led lib
lit ltd ltda max méd mer mgmt min mind mio misc mod mov mrd mt mtl mús náut näml niv no nos nov nr
num núm obs oct od okt op org orig österr pag pág pal pfd pg phys pol pp prod pron prov próx quart
réf ref reg rel res resp röm séc sec sek sep sept sez símb spezif sq std str sup symb syst tab tägl
tav tec tel temp trad trans transp univ urspr usw var verf verh verw vid vol yr yrs éd éval équiv
др ул руб тыс млн млрд см стр им кв коп мин гг вв янв февр апр авг сент окт нояб дек σελ τηλ
"""
_ABBREVIATIONS = frozenset(_BEFORE_NAMES.split())
_DOUBTFUL = frozenset(_OTHERS.split())

IN_SIGHT = 20
"""Characters after a mark in which a letter is sought that tells whether a sentence goes on."""


class Sentences:
    """Cuts a text into what can be spoken by itself.

    A full stop ends a sentence when white space follows, and when it does not belong to an
    abbreviation, an initial or the number of an item; so "3.5" and "e.g. this" stay whole. So does
    a line break.

    Work is linear in the text, whatever pieces it comes in.
    """

    def __init__(self) -> None:
        self._lead = ""
        """The white space before what comes next."""
        self._rest = ""
        self._seen = 0
        """How much of the rest is known to hold no end."""

    def push(self, text: str) -> list[str]:
        """Add text; returns the sentences that it completes, without white space around them."""
        return [sentence.lstrip() for sentence in self.cut(text)]

    def flush(self) -> list[str]:
        """What is left, as a sentence."""
        return [sentence.lstrip() for sentence in self.rest()]

    def cut(self, text: str) -> list[str]:
        """The same as `push`, each with the white space before it: joined, they are the text.

        Of more than `MAX_LENGTH` characters of white space in a row, the first ones are kept.
        """
        text = self._rest + text
        sentences = []
        start = 0
        while True:
            begin = _end_of_space(text, start)
            self._lead = (self._lead + text[start : min(begin, start + MAX_LENGTH)])[:MAX_LENGTH]
            start = begin
            end = self._end(text, start)
            if end is None:
                break
            sentences.append(self._lead + text[start:end])
            self._lead, self._seen = "", 0
            start = end
        self._rest = text[start:]
        return sentences

    def rest(self) -> list[str]:
        """The same as `flush`, with the white space before it."""
        rest = self._rest.rstrip()
        sentences = [self._lead + rest] if rest else []
        # What comes next does not belong to it.
        after = self._rest[len(rest) :] if rest else self._lead
        self._lead, self._rest, self._seen = after or " ", "", 0
        return sentences

    @property
    def ended(self) -> bool:
        """Whether the text so far stands at the end of a sentence, as far as one can tell."""
        end = _ENDED.search(self._rest[-MAX_LENGTH:])
        if end is None or end["mark"] != ".":
            return end is not None
        word = _last_word(self._rest[-MAX_LENGTH:][: end.start()])
        return not (_goes_on(word) or "." in word or word[-1:].isdigit())

    def _end(self, text: str, start: int) -> int | None:
        """Where the sentence that begins at `start` ends, if that is known."""
        limit = start + MAX_LENGTH
        for found in _CANDIDATE.finditer(text, start + self._seen, limit):
            if found["line"]:
                return _without_space(text, start, found.start())
            end = self._judge(text, start, found, limit)
            if end is None:
                if len(text) <= limit:
                    self._seen = found.start() - start
                    return None
                break
            if end:
                return end
        if len(text) <= limit:
            self._seen = len(text) - start
            return None
        return _cut_at(text, start, limit)

    def _judge(self, text: str, start: int, found: re.Match[str], limit: int) -> int | None:
        """Where the sentence ends by these marks: 0 if it does not, `None` if not known."""
        end = found.end()
        if end >= min(len(text), limit):
            return None
        after = text[end]
        if found["clause"]:
            late = found.start() - start >= CLAUSE_LENGTH
            return found.start() if late and after not in "ๆฯ" else 0
        if found["wide"]:
            return 0 if found["wide"].endswith("．") and after.isdigit() else end
        mark, closers = found["mark"], found["closers"]
        if not after.isspace():
            return end if mark[-1] in "!?" and unicodedata.category(after) == "Lo" else 0
        word = ""
        doubt = bool(closers)
        if mark == ".":
            before = text[start : found.start()]
            word = _last_word(before)
            if _goes_on(word) or (before.strip(_OPENERS) == word and _is_number_of_item(word)):
                return 0
            doubt = doubt or _is_doubtful(word)
        if not doubt:
            return end
        sight = min(limit, end + IN_SIGHT)
        for character in text[end:sight]:
            if character in _SEPARATORS:
                return end
            if character.isspace() or _is_passed_over(character):
                continue
            numbered = character.isdigit() and not closers and word[-1:].isalpha()
            return 0 if numbered or character.islower() else end
        return None if len(text) < sight else end


def _last_word(before: str) -> str:
    words = before.rsplit(maxsplit=1)
    return words[-1].lstrip(_OPENERS) if words and not before[-1].isspace() else ""


def _goes_on(word: str) -> bool:
    """Whether a full stop after this word belongs to it, whatever follows."""
    if word.lower() in _ABBREVIATIONS:
        return True
    return len(word) == 1 and word.isalpha() and word != "I" and (word.isascii() or word.isupper())


def _is_doubtful(word: str) -> bool:
    """Whether a full stop after this word belongs to it if the next one is no capital."""
    return (
        word.lower() in _DOUBTFUL
        or "." in word
        or word.isdigit()
        or (len(word) == 1 and word != "I")
    )


def _is_number_of_item(word: str) -> bool:
    return word.isdigit() and len(word) <= 3


def _is_passed_over(character: str) -> bool:
    """Whether it stands between a sentence and the letter that tells whether it goes on."""
    return character in "~`" or unicodedata.category(character).startswith("P")


def _end_of_space(text: str, start: int) -> int:
    space = _SPACE.match(text, start)
    return space.end() if space else start


def _without_space(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1].isspace():
        end -= 1
    return end


def _cut_at(text: str, start: int, limit: int) -> int:
    """Where a text that has gone on for too long is cut: at a space, else between letters."""
    space = text.rfind(" ", start + 1, limit)
    if space >= 0:
        return _without_space(text, start, space)
    end = limit
    while end > limit - 20 and _joins(text[end - 1 : end + 1]):
        end -= 1
    return end


def _joins(pair: str) -> bool:
    """Whether the second character is part of the letter that the first one begins."""
    return "\u200d" in pair or unicodedata.category(pair[1]).startswith("M")
