"""The operators that there are: what each takes, and the normal form of its value."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from captioning.vision.colours import COLOURS
from search.language.dates import normal_date

#: Kinds of condition that are written without a name: -word and "a phrase".
WORD, PHRASE = "word", "phrase"
_NAME_MAX_CHARS = 150
_TAG_MAX_CHARS = 64
_CAMERA_MAX_CHARS = 120

#: What may stand behind type:, and the kind of asset or the type of file that it means.
TYPES = {
    "image": "image",
    "photo": "image",
    "picture": "image",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
    "heic": "image/heic",
    "tiff": "image/tiff",
    "bmp": "image/bmp",
}
#: What may stand behind is:.
STATES = ("reviewed", "public", "private", "unsafe")


@dataclass(frozen=True)
class Operator:
    """takes: its value in words. normal: from a value to its normal form; ValueError says what is wrong.

    single: a photo has one of it, so two of them are alternatives and not both demanded.
    """

    name: str
    takes: str
    normal: Callable[[str], str]
    allowed: tuple[str, ...] = ()
    single: bool = False


def _line(text: str, max_chars: int) -> str:
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if len(text) > max_chars:
        raise ValueError(f"at most {max_chars} characters")
    return text


def _tag(text: str) -> str:
    return _line(text, _TAG_MAX_CHARS)


def _camera(text: str) -> str:
    return _line(text, _CAMERA_MAX_CHARS)


def _username(text: str) -> str:
    return _line(text, _NAME_MAX_CHARS)


def words(text: str) -> str:
    """What is looked for in documents: something in it must be a letter or a digit."""
    if not any(sign.isalnum() for sign in text):
        raise ValueError("there is no letter and no digit in it")
    return " ".join(text.split())


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def normal(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"there are {', '.join(choices)}")
        return text.lower()

    return normal


#: Other spellings of operators.
ALIASES = {"color": "colour"}
_DATES = ("2024", "2024-05", "2024-05-01")
OPERATORS = {
    operator.name: operator
    for operator in (
        Operator("tag", "a tag that people gave", _tag),
        Operator(
            "text", "words in caption, title, tags, description, file name or in the picture itself", words
        ),
        Operator("after", "a date: from its beginning on", normal_date, _DATES),
        Operator("before", "a date: until its beginning", normal_date, _DATES),
        Operator("type", "a kind of file", _one_of(tuple(TYPES)), tuple(TYPES), single=True),
        Operator("colour", "a colour", _one_of(COLOURS), COLOURS),
        Operator("camera", "a part of a camera's name, such as its maker", _camera),
        Operator("by", "an owner's username, or me", _username, single=True),
        Operator("is", "a state", _one_of(STATES), STATES),
    )
}
