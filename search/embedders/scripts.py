"""Whether a text is written in another script than Latin: nobody wants to be asked. Plain Python."""

import unicodedata


def beyond_latin(text: str) -> bool:
    """Whether any letter of it is not a Latin one: Chinese, Cyrillic, Arabic, Devanagari and so on."""
    return any(letter.isalpha() and not _is_latin(letter) for letter in text)


def _is_latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith(("LATIN", "FULLWIDTH LATIN"))
