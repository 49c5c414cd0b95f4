"""What kind of Korean a text is: with hanja, in the North's orthography, or in Latin letters.

The rules are those of the orthographies themselves. The North (조선말규범집) keeps ㄹ and ㄴ at the head of
Sino-Korean words where the South (한글 맞춤법, 제10항 to 제12항) drops or changes them, and writes 여 after
ㅣ, ㅐ, ㅔ, ㅚ, ㅟ, ㅢ where the South writes 어. Romanised Korean is known by its particles and endings, in the
Revised and the McCune–Reischauer romanisation.
"""

from __future__ import annotations

import re

# Heads of words that the South has dropped, and the South's own forms of the same words.
_NORTH_HEADS = re.compile(
    "(?<![가-힣0-9])(?:로동|로인|로선|로력|로골|록음|록화|론의|론문|론리|론쟁|론설|류학|류통|류사|류행|류형|륙군|륙지|"
    "륜리|리론|리유|리해|리용|리익|리상|리념|리웃|림업|립장|립증|립법|래일|래년|랭면|랭장|량심|량식|량쪽|량측|량국|려행|"
    "려객|려권|력사|력량|련합|련계|련대|련속|련락|련결|련습|렬사|렬차|령도|령토|령역|례절|례의|례외|례를|락원|락관|락후|"
    "락엽|란리|람용|랑비|녀성|녀자|녀인|녀맹|년령|념원|념려|뉴대)"
)
_SOUTH_HEADS = re.compile(
    "(?<![가-힣0-9])(?:노동|노인|노선|노력|노골|녹음|녹화|논의|논문|논리|논쟁|논설|유학|유통|유사|유행|유형|육군|육지|"
    "윤리|이론|이유|이해|이용|이익|이상|이념|이웃|임업|입장|입증|입법|내일|내년|냉면|냉장|양심|양식|양쪽|양측|양국|여행|"
    "여객|여권|역사|역량|연합|연계|연대|연속|연락|연결|연습|열사|열차|영도|영토|영역|예절|예의|예외|예를|낙원|낙관|낙후|"
    "낙엽|난리|남용|낭비|여성|여자|여인|여맹|연령|염원|염려|유대)"
)
_NORTH_ENDINGS = re.compile("되여|되였|내여|이였|기여이|아니였|피여|쥐여|뛰여|매여|헤여|띄여")
_SOUTH_ENDINGS = re.compile("되어|되었|됐|돼|이었|아니었|내어|피어|쥐어|뛰어|매어|헤어|띄어")
_NORTH_WORDS = re.compile(
    "로동당|인민군|조선인민|경애하는|위대한 수령|최고령도자|원쑤|동지께서|주체사상|선군|쏘련|로씨야|"
    "도이췰란드|뽈스까|뜨락또르|콤퓨터|프로그람|일군들|기발|해빛|일떠|할데 대한"
)
# Where fewer than two of these stand, no full search is worth its time.
_NORTH_FIRST = (" 로동", " 리용", " 리유", " 력", " 령", " 녀", " 련", " 량", " 려", " 례", "되여", "되였")
# A Han character that a Korean particle or ending follows.
_HANJA_JOINED = re.compile("[\u3400-\u9fff\uf900-\ufaff][은는이가을를의에로와과도만하한할된되함됨인임며]")
_HANJA_RUN = re.compile("[\u3400-\u9fff\uf900-\ufaff]+")

_ROMAN_WORD = re.compile("[a-zŏŭ]+(?:['’-][a-zŏŭ]+)*")
_ROMAN_ENDING = re.compile(
    "(?:neun|reul|eul|eun|eseo|ege|hago|nida|seyo|eoyo|ayo|yeyo|haeyo|handa|haetda|eotda|itda|eopda|euro|"
    "kkaji|buteo|cheoreom|jiman|neunde|myeon|eobs\\w*|eoss\\w*|haess\\w*|nikka|ryeogo|nŭn|rŭl|ŭl|ŭn|esŏ|ŭro|"
    "ŏyo|haetta|ŏtta|itta|put’ŏ|put'ŏ|myŏn|ŭi|ŏtki|yŏtta)$"
)
_ROMAN_VOWELS = re.compile("eo|eu|ŏ|ŭ")
_ROMAN_WORDS_AT_LEAST = 4


def northern(text: str) -> bool:
    """Whether Korean follows the North's orthography: its forms outnumber the South's by far.

    Two of three kinds of evidence (heads of words, endings, words) are needed, and at least three findings,
    two of them heads.
    """
    if sum(map(text.count, _NORTH_FIRST)) < 2:
        return False
    heads, endings, words = (len(p.findall(text)) for p in (_NORTH_HEADS, _NORTH_ENDINGS, _NORTH_WORDS))
    if heads + endings + words < 3 or (heads > 0) + (endings > 0) + (words > 0) < 2 or heads < 2:
        return False
    southern = len(_SOUTH_HEADS.findall(text)) + len(_SOUTH_ENDINGS.findall(text))
    return heads + endings > 3 * southern


def joined_hanja(text: str) -> float:
    """Share of the runs of Han characters that a Korean particle or ending follows, in [0, 1].

    Runs in which Chinese or Japanese text is only quoted beside Korean have hardly any.
    """
    runs = len(_HANJA_RUN.findall(text))
    return len(_HANJA_JOINED.findall(text)) / runs if runs else 0.0


def romanised(text: str) -> float:
    """How sure it is, in [0, 1], that a text in Latin letters is romanised Korean."""
    words = _ROMAN_WORD.findall(text.lower())
    if len(words) < _ROMAN_WORDS_AT_LEAST:
        return 0.0
    letters = sum(map(len, words))
    vowels = len(_ROMAN_VOWELS.findall(" ".join(words))) / letters
    endings = [m.group() for m in map(_ROMAN_ENDING.search, words) if m]
    share = len(endings) / len(words)
    if vowels < 0.03 or len(set(endings)) < min(3, len(words) // 4 + 1):
        return 0.0
    return min(1.0, share / 0.15, vowels / 0.04)
