r"""What a voice says of a text that was written to be read: the Markdown of a language model.

A voice reads marks aloud ("asterisk asterisk"), and spells out addresses. This leaves the words:

| written | spoken |
|---|---|
| `**bold**`, `_italic_`, `~~struck~~`, `` `code` `` | bold, italic, struck, code |
| `# Heading`, `> quotation`, `- item`, `- [x] item` | without the mark; `1. item` stays |
| `[text](address)`, `![text](address)` | the text |
| `https://www.example.com/a?b=c` | example.com |
| `| a | b |` | a, b |
| a block of code, a line such as `---` or `|---|---|` | nothing |
| `&amp;`, `<b>`, `\\*` | &, nothing, * |
| emoji | nothing |

Nothing is lost of a text without such marks: it passes unchanged.
"""

from __future__ import annotations

import html
import re

_EMOJI = (
    "[\U0001f000-\U0001faff\u2600-\u266c\u2670-\u2775\u2794-\u27bf\u2b05-\u2b07\u2b1b\u2b1c\u2b50"
    "\u2b55\u231a\u231b\u23e9-\u23fa]"
)
_EMOJI_RUN = rf"(?:{_EMOJI}[\u200d\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f]*)+"

_BREAK = re.compile(r"[^\S\n\r\x85\u2028\u2029]*[\n\r\x85\u2028\u2029]")
_FENCE = re.compile(r"(`{3,}|~{3,})([^`]*)\Z")
_RULE = re.compile(r"(?=[^-=*_]*[-=*_]{2})[-=*_:| \t]{3,}\Z")
"""A line under or between, and the second row of a table."""
_PREFIX = re.compile(
    r"(?:>[ \t]?)*[ \t]*(?:#{1,6}(?=[ \t])|[-*+•](?=[ \t])(?:[ \t]+\[[ xX]\](?=[ \t]))?)?[ \t]*"
)
_HASHES = re.compile(r"[ \t]+#+\Z")
_ROW = re.compile(r"[ \t]*\|[ \t]*")

_TARGET = r"\((?:[^()\s]|\([^()\s]*\))*(?:[ \t]+\"[^\"]*\")?\)"
"""Where a link goes, and its title."""

_TAGS = (
    "a|b|blockquote|br|code|del|details|div|em|h[1-6]|hr|i|img|ins|kbd|li|mark|ol|p|pre|small|span"
    "|strong|summary|sup|table|tbody|td|th|thead|tr|u|ul"
)
_MARKUP = re.compile(
    rf"\\(?P<escaped>[!-/:-@\[-`{{-~])"
    rf"|!?\[(?P<link>[^\[\]]*)\](?:{_TARGET}|\[[^\[\]]*\])"
    rf"|\]{_TARGET}"  # the end of a link that was cut
    r"|\[\^[^\[\]\s]+\]:?"  # a footnote
    r"|<?(?:https?://|\bwww\.)(?P<host>[^\s/?#<>()\[\]\"'`*|]+)(?P<path>[^\s<>\"`*|]*)>?"
    rf"|</?(?:{_TAGS})(?:[ \t][^<>]*)?/?>"
    r"|&(?:\#[0-9]{1,7}|\#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});"
    r"|(?P<marks>\*+|_+|`+|~~+)"
    r"|(?P<key>[0-9#*])\ufe0f?\u20e3"
    rf"|(?P<emoji>[ \t]*{_EMOJI_RUN}[ \t]*)"
)


class Spoken:
    """Turns the sentences of one text, in their order, into what is said of them."""

    def __init__(self) -> None:
        self._first = True
        self._fence = ""
        """What ends the block of code."""
        self._in_row = False

    def clean(self, part: str) -> str:
        """What is said of the next part; empty if it is only for the eye.

        Args:
            part: A sentence, with the white space before it: a line break there begins a line.
        """
        text = part.strip()
        begins_line = self._first or _BREAK.match(part) is not None
        self._first = False
        if begins_line:
            self._in_row = text.startswith("|")
            if self._fence_or_code(text) or _RULE.match(text):
                return ""
        elif self._fence:
            return ""
        spoken = text
        if begins_line:
            spoken = spoken[_end(_PREFIX, spoken) :]
            if text.startswith("#"):
                spoken = _HASHES.sub("", spoken)
        if self._in_row:
            spoken = _ROW.sub(", ", spoken).strip(", ")
        spoken = _MARKUP.sub(_replaced, spoken)
        if spoken == text:
            return text
        spoken = spoken.strip()
        return spoken if any(map(str.isalnum, spoken)) else ""

    def _fence_or_code(self, line: str) -> bool:
        """Whether it belongs to a block of code (CommonMark 0.31, 4.5)."""
        fence = _FENCE.match(line)
        if self._fence:
            if fence and fence[1].startswith(self._fence) and not fence[2].strip():
                self._fence = ""
            return True
        if fence:
            self._fence = fence[1]
        return fence is not None


def _end(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.match(text)
    return found.end() if found else 0


def _replaced(found: re.Match[str]) -> str:
    if found["escaped"]:
        return found["escaped"]
    if found["link"] is not None:
        return _MARKUP.sub(_replaced, found["link"])  # holds no link: it ends at a bracket
    if found["host"]:
        return _address(found)
    if found["marks"]:
        return _marks(found)
    if found["key"]:
        return found["key"]
    if found["emoji"]:
        return _gap(found)
    return html.unescape(found[0]) if found[0].startswith("&") else ""


def _address(found: re.Match[str]) -> str:
    """The name of a site, and the punctuation that follows the address."""
    whole = found["host"] + found["path"]
    end = whole[len(whole.rstrip(".,;:!?…)]'’”»_~")) :]
    if found["path"].count("(") and end.startswith(")"):
        end = end[1:]
    host = found["host"].rstrip(".,;:!?…'’”»_~").rsplit("@")[-1]
    return host.removeprefix("www.") + end


def _marks(found: re.Match[str]) -> str:
    """Nothing, unless these are signs in a formula, parts of a name, or a blank to be filled in."""
    marks = found[0]
    before = found.string[found.start() - 1 : found.start()]
    after = found.string[found.end() : found.end() + 1]
    if not before.strip() and not after.strip():
        return marks  # 2 * 3
    if marks[0] == "_" and (len(marks) > 3 or (_is_word(before) and _is_word(after))):
        return marks  # snake_case
    both = before.isascii() and before.isalnum() and after.isascii() and after.isalnum()
    if both and (len(marks) == 1 or (before.isdigit() and after.isdigit())):
        return marks  # 2*3, 2**3
    return ""


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _gap(found: re.Match[str]) -> str:
    """What remains of the space around an emoji."""
    after = found.string[found.end() : found.end() + 1]
    if not after or found.start() == 0 or after in ",.!?…;:)":
        return ""
    return " " if found[0][0] in " \t" or found[0][-1] in " \t" else ""
