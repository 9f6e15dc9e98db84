"""What texts of strangers may hold."""

import unicodedata


def has_control(text: str, but: str = "") -> bool:
    """Whether it holds control characters other than these, or halves of characters (surrogates), which no database
    takes.
    """
    return any(unicodedata.category(sign) in {"Cc", "Cs"} and sign not in but for sign in text)
