"""Which stretches of a text are written in Chinese: people mix, and nobody wants to be asked. Plain Python."""

import re
from itertools import groupby
from typing import NamedTuple

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
#: What belongs to whatever it stands between: punctuation of full width, spaces, digits.
_BETWEEN = re.compile("[\u3001-\u3003\u3008-\u3011\uff01-\uff0f\uff1a-\uff1f\\s\\d]")
#: Japanese is written with Chinese characters, too; these tell it apart.
_KANA = re.compile("[\u3040-\u30ff]")


class Stretch(NamedTuple):
    """Part of a text, and whether it is Chinese."""

    text: str
    chinese: bool


def has_chinese(text: str) -> bool:
    """Whether any of it is Chinese."""
    return bool(_HAN.search(text)) and not _KANA.search(text)


def stretches(text: str) -> list[Stretch]:
    """The text cut where its script changes: "一只 dog" is 一只 and dog. Signs of both go with what stands before.

    An empty text is one empty stretch that isn't Chinese.
    """
    if not has_chinese(text):
        return [Stretch(text, chinese=False)]
    scripts: list[bool] = []
    for sign in text:
        chinese = bool(_HAN.match(sign))
        if not chinese and _BETWEEN.match(sign) and scripts:
            chinese = scripts[-1]
        scripts.append(chinese)
    parts = groupby(zip(text, scripts, strict=True), key=lambda pair: pair[1])
    cut = [Stretch("".join(sign for sign, _ in pairs).strip(), chinese) for chinese, pairs in parts]
    return [part for part in cut if part.text]
