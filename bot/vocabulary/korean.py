"""The forms of a Korean predicate: "슬프다" -> 슬픈, 슬픔, 슬퍼, 슬펐 ..., without endings."""

from collections.abc import Sequence
from typing import Final

_FIRST: Final = ord("가")
_VOWELS: Final = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS: Final = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_BRIGHT: Final = "ㅏㅑㅗ"
_CONTRACTED: Final = {"ㅗ": "ㅘ", "ㅜ": "ㅝ", "ㅣ": "ㅕ", "ㅚ": "ㅙ", "ㅡ": "ㅓ"}
_AS_THEY_ARE: Final = "ㅏㅓㅐㅔㅕ"
_KEEP_THEIR_B: Final = "씹잡입뽑"
# What follows a form of one syllable, by what it ends in.
_AFTER_STEM: Final = (
    *("고", "구", "네", "지", "기", "는", "다", "던", "거든", "습", "냐", "군", "면서"),
    *("잖", "자나", "죠", "쥬", "제", "소", "슴", "심더", "구먼", "구만", "데이", "당께", "긴"),
)
_AFTER_PAST: Final = ("요", "용", "여", "서", "도")
_AFTER_DROPPED_L: Final = ("는", "네")
_AFTER_N: Final = ("거", "것", "게", "건", "걸", "데", "듯", "다", "표정", "얼굴", "사람", "상태")


def conjugated(stem: str) -> frozenset[str]:
    """All that endings are glued to, or that stands by itself; a dictionary has it as "`stem`다".

    A form of one syllable is given with the ending that follows, as alone it would be found at the
    beginning of other words ("울" in "울산").
    """
    before_eu, past = _before_eu(stem), _past(stem)
    forms = _each(stem, _AFTER_STEM) | _each(past, _AFTER_PAST)
    forms |= {_closed(past, "ㅆ"), _closed(past, "ㅅ")}
    if _final(before_eu) == " ":
        forms |= _each(_closed(before_eu, "ㄴ"), _AFTER_N) | {_closed(before_eu, "ㄴ") + "다"}
        forms |= _each(_closed(before_eu, "ㅂ"), ("니다", "니당")) | _each(
            _closed(before_eu, "ㅁ"), ()
        )
    else:
        forms |= {before_eu + "은", before_eu + "음", before_eu + "으"}
    if before_eu != stem:
        forms |= _each(before_eu, _AFTER_DROPPED_L)
    return frozenset(forms)


def _each(form: str, endings: Sequence[str]) -> set[str]:
    return {form + ending for ending in endings} if len(form) == 1 else {form}


def _before_eu(stem: str) -> str:
    """As it stands before an ending with 으, which it may swallow."""
    final = _final(stem)
    if final == "ㅂ" and stem[-1] not in _KEEP_THEIR_B:
        return stem[:-1] + _opened(stem[-1]) + "우"
    if final == "ㅅ" and stem[-1] == "짓":
        return stem[:-1] + "지으"
    return _opened(stem) if final == "ㄹ" else stem


def _past(stem: str) -> str:
    """As it stands before 요 and, with ㅆ, in the past."""
    if stem.endswith("하"):
        return stem[:-1] + "해"
    before_eu = _before_eu(stem)
    if stem.endswith("르"):
        ending = "라" if _vowel(stem[-2:-1]) in _BRIGHT else "러"
        return stem[:-2] + _closed(stem[-2], "ㄹ") + ending
    if _final(stem) == "ㄹ" or _final(before_eu) != " ":
        return stem + ("아" if _vowel(stem[-1]) in _BRIGHT else "어")
    if before_eu.endswith("으"):
        return before_eu[:-1] + "어"
    vowel = _vowel(before_eu[-1])
    if vowel in _AS_THEY_ARE:
        return before_eu
    if vowel == "ㅡ" and len(before_eu) > 1 and _vowel(before_eu[-2]) in _BRIGHT:
        return before_eu[:-1] + _with_vowel(before_eu[-1], "ㅏ")
    if vowel not in _CONTRACTED:
        return before_eu + "어"
    return before_eu[:-1] + _with_vowel(before_eu[-1], _CONTRACTED[vowel])


def _vowel(syllable: str) -> str:
    return _VOWELS[(ord(syllable) - _FIRST) // len(_FINALS) % len(_VOWELS)] if syllable else ""


def _final(text: str) -> str:
    return _FINALS[(ord(text[-1]) - _FIRST) % len(_FINALS)]


def _opened(text: str) -> str:
    """Without the consonant at the end."""
    return text[:-1] + chr(ord(text[-1]) - _FINALS.index(_final(text)))


def _closed(text: str, final: str) -> str:
    """With a consonant at the end, where there is none."""
    return text[:-1] + chr(ord(text[-1]) + _FINALS.index(final))


def _with_vowel(syllable: str, vowel: str) -> str:
    step = _VOWELS.index(vowel) - _VOWELS.index(_vowel(syllable))
    return chr(ord(syllable) + step * len(_FINALS))
