"""The structure counts in plain Python, line by line and with regular expressions: slow, and easy to check."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from itertools import pairwise

from hanji.curation.signals.characters import (
    DIGIT,
    HAN,
    HANGUL,
    JAMO,
    KANA,
    LATIN,
    LETTER,
    OTHER,
    character_class,
)
from hanji.curation.signals.structure import COLUMNS

LETTERS = {LATIN, HANGUL, JAMO, HAN, KANA, LETTER}
QUOTES, BRACKETS = '"“”„‘«»《》「」『』＂', "[]〈〉【】〔〕［］"
TERMINAL, CLOSING = ".!?…。！．？", "\"')*]_’”》」』〉）"
BULLETS = "•●○◦■□▪▫◆◇▶▷►√✓✔·∙ㆍ①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"
NUMBERING = "가나다라마바사아자차카타파하"
ITEM = re.compile(
    rf"[-*+ㅇ](?=\s|$)|[{BULLETS}㉠-㉻]|[0-9]{{1,3}}[.)](?=\s|$|[가-힣])|[{NUMBERING}][.)](?=\s|$)"
    rf"|\((?:[0-9]{{1,3}}|[{NUMBERING}])\)(?=\s|$)"
)
CODE_MARK = re.compile(r"[=;{}()\[\]<>_$`\\]")
ADDRESS = re.compile(
    r"(?<![A-Za-z0-9.@/_-])(?:(?P<open>https?://|www\.(?=[a-z0-9.-]))"
    r"|(?!www\.)[a-z0-9][a-z0-9.-]+\.(?:com|org|kr)(?=[.-]+(?![a-z0-9.-])|(?![a-z0-9.@_-])))",
    re.IGNORECASE | re.ASCII,
)
EMOJI = re.compile("[\u2600-\u27bf\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff]")
LONE_JAMO = "[\u3131-\u3163\u3165-\u318e\uffa1-\uffdc]"


def kind(character: str) -> int:
    return int(character_class(ord(character)))


def kinds(word: str) -> set[int]:
    return {kind(character) for character in word}


def plain_counts(text: str) -> dict[str, int]:
    """Every count of COLUMNS."""
    found: Counter[str] = Counter()
    fence = ""
    may_be_code = True
    for raw in text.split("\n"):
        line = raw.strip()
        if not line:
            may_be_code = True
            continue
        indent = sum(4 if c == "\t" else 1 for c in raw[: raw.index(line[0])])
        may_be_code = may_be_code and indent >= 4
        opening = re.match(r"(`{3,})[^`]*$|(~{3,})", line)
        if fence:
            what = "code"
            fence = "" if re.fullmatch(f"{fence}{re.escape(fence[0])}*", line) else fence
        elif opening:
            what, fence = "code", opening[1] or opening[2]
        else:
            what = line_kind(line, may_be_code)
        count_line(line, what, found)
    return {name: found[name] for name in COLUMNS}


def line_kind(line: str, may_be_code: bool) -> str:
    if re.match(r"#{1,6}(\s|$)", line):
        return "heading"
    if line.startswith("|") and "|" in line[1:]:
        return "table"
    if ITEM.match(line):
        return "list"
    return "indented_code" if may_be_code and CODE_MARK.search(line) else "prose"


def count_line(line: str, what: str, found: Counter[str]) -> None:
    words = line.split()
    for word in words:
        count_word(word, what, found)
    found["filled_lines"] += 1
    found["line_characters"] += len(line)
    found["longest_line"] = max(found["longest_line"], len(line))
    found["letterless_lines"] += not kinds(line) & LETTERS
    if what != "prose":
        found[f"{what}_lines"] += 1
        found[f"{what}_characters"] += len(line)
    if what in ("code", "indented_code"):
        return
    for word in words[:-1]:
        found["korean_sentence_ends"] += ending(word)[1]
    for word in words:
        found["korean_sentence_ends"] += len(
            re.findall(rf"(?<=[가-힣])[다요죠까][{TERMINAL}]+(?=[가-힣])", word)
        )
    end = ending(words[-1])[0]
    if end and what != "table":
        found[end] += 1
        found["korean_sentence_ends"] += end != "headline_lines"


def count_word(word: str, what: str, found: Counter[str]) -> None:
    inside = kinds(word)
    addresses = plain_addresses(word)
    found["spaced_words"] += 1
    found["spaced_word_characters"] += len(word)
    if not addresses:
        found["longest_word"] = max(found["longest_word"], len(word))
    if HANGUL in inside:
        found["hangul_words"] += 1
        found["mixed_words"] += bool(inside & {LATIN, HAN, DIGIT})
        for name, other in (("latin", LATIN), ("han", HAN), ("digit", DIGIT)):
            found[f"hangul_{name}_words"] += other in inside
        letters = [kind(c) for c in word if kind(c) in LETTERS]
        changes = sum(a != b for a, b in pairwise(letters))
        found["alternating_words"] += changes >= 3 and not addresses
    elif LATIN in inside:
        found["latin_words"] += 1
    elif not inside & LETTERS:
        found["numeric_words" if DIGIT in inside else "symbol_words"] += 1
    found["urls"] += len(addresses)
    found["url_characters"] += sum(map(len, addresses))
    count_jamo(word, found)
    count_marks(word, what, found)


def count_jamo(word: str, found: Counter[str]) -> None:
    for run in re.findall(f"{LONE_JAMO}{{2,}}", word):
        found["jamo_runs"] += 1
        found["jamo_run_characters"] += len(run)
        found["longest_jamo_run"] = max(found["longest_jamo_run"], len(run))
        found["laughing_characters"] += len(run) if set(run) <= set("ㅋㅎ") else 0
        found["crying_characters"] += len(run) if set(run) <= set("ㅠㅜ") else 0
    for syllable, jamo in re.findall("([가-힣])([ㅋㅎ])", word):
        found["coda_laughs"] += coda(syllable) == {"ㅋ": "\u11bf", "ㅎ": "\u11c2"}[jamo]


def count_marks(word: str, what: str, found: Counter[str]) -> None:
    found["hashtags"] += word[0] == "#" and len(word) > 1 and kind(word[1]) in LETTERS
    found["quotation_marks"] += sum(c in QUOTES for c in word)
    found["parentheses"] += sum(c in "()（）" for c in word)
    found["brackets"] += sum(c in BRACKETS for c in word)
    found["shouts"] += len(re.findall("[!?]{2,}", word))
    found["emoji"] += len(EMOJI.findall(word))
    for run in re.finditer(r"(.)\1{2,}", word):
        if kind(run[1]) == OTHER and what not in ("code", "indented_code", "table"):
            found["repeated_marks"] += 1
            found["repeated_mark_characters"] += len(run[0])
    for place, character in enumerate(word[1:-1], 1):
        sides = kind(word[place - 1]), kind(word[place + 1])
        found["glossed_hanja"] += character == "(" and sides in ((HANGUL, HAN), (HAN, HANGUL))


def plain_addresses(word: str) -> list[str]:
    found, place = [], 0
    while match := ADDRESS.search(word, place):
        place = match.end()
        if match["open"] or word[place : place + 1] in ("/", "?", "#", ":"):
            body = address_body(word[place:])
            if match["open"] and not body:
                continue
            place += len(body)
        found.append(word[match.start() : place])
    return found


def address_body(rest: str) -> str:
    body, depth = "", 0
    for character in rest:
        depth += (character == "(") - (character == ")")
        if not "!" <= character <= "~" or character in '"<>[\\]^`{|}' or depth < 0:
            break
        body += character
    return body.rstrip("!'*,.:;?~")


def coda(syllable: str) -> str:
    """The final consonant as a conjoining jamo, empty without one."""
    return unicodedata.normalize("NFD", syllable)[2:]


def ending(word: str) -> tuple[str, bool]:
    """(column that counts a line that ends in the word, or nothing; whether the word ends a sentence anywhere)."""
    stem = re.search("(.*[가-힣])(.*)$", word, re.DOTALL)
    if not stem:
        return "", False
    body, tail = stem.groups()
    if not all(c in TERMINAL + CLOSING or is_soft(c) for c in tail):
        return "", False
    marks = [c for c in tail if c in TERMINAL]
    if marks:
        return ("", False) if marks == ["."] and len(body) == 1 else ("marked_korean_lines", True)
    soft = any(is_soft(c) for c in tail)
    name = unmarked(body)
    if not name:
        return ("", False) if soft else ("headline_lines", False)
    return name, soft or certain(name, body)


def is_soft(character: str) -> bool:
    return kind(character) == JAMO or character in "~^～\ufe0f\u200d" or bool(EMOJI.match(character))


def unmarked(body: str) -> str:
    if not re.search("[가-힣]{2}$", body):
        return ""
    before, last = body[-2], body[-1]
    past = coda(before) in ("\u11bb", "\u11b9")
    if (last == "다" and before not in "바마") or (last == "까" and coda(before) == "\u11af"):
        return "formal_ending_lines"
    if last == "까" and before == "니" and re.search("[가-힣]{3}$", body) and coda(body[-3]) == "\u11b8":
        return "formal_ending_lines"
    if last == "죠" or (last == "요" and before not in "필중주수소개동강긴민"):
        return "polite_ending_lines"
    if last in "함됨" or (last == "음" and coda(before)) or (last == "임" and before not in "게책모담선"):
        return "noun_ending_lines"
    if last == "냐" or (last == "네" and before not in "동너그우") or (last in "어지군" and past):
        return "casual_ending_lines"
    return "casual_ending_lines" if last == "야" and before in "거이" else ""


def certain(name: str, body: str) -> bool:
    past = coda(body[-2]) == "\u11bb" and body[-2] != "있"
    if name == "formal_ending_lines":
        return body[-2] == "니" or past
    return name == "polite_ending_lines" or (past and body[-1] != "지")
