"""The words people give an asset: their rules, each with an error that names its field."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from core.errors import InvalidInput
from core.texts import has_control
from library.media.metadata import Metadata
from library.models import Asset

TITLE_MAX_CHARS = 200
DESCRIPTION_MAX_CHARS = 5000
TAG_MAX_CHARS = 64
TAGS_MAX = 50
_LINE_BREAKS = "\n\t"


@dataclass(frozen=True)
class Details:
    """Checked words about an asset. Make it with `checked`."""

    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    visibility: str = Asset.Visibility.PRIVATE

    @classmethod
    def checked(
        cls,
        title: str = "",
        description: str = "",
        tags: Iterable[str] = (),
        visibility: str = Asset.Visibility.PRIVATE,
    ) -> "Details":
        """InvalidInput with the field and the rule."""
        return cls(
            checked_title(title),
            checked_description(description),
            checked_tags(tags),
            checked_visibility(visibility),
        )

    def completed_by(self, found: Metadata) -> "Details":
        """What the person left empty, from the file's own words; those are cut to fit, never refused."""
        embedded = (_one_line(word.replace(",", " "))[:TAG_MAX_CHARS].strip() for word in found.keywords)
        return Details(
            title=self.title or found.title[:TITLE_MAX_CHARS].strip(),
            description=self.description or found.description[:DESCRIPTION_MAX_CHARS].strip(),
            tags=_without_repeats((*self.tags, *(word for word in embedded if word)))[:TAGS_MAX],
            visibility=self.visibility,
        )


def checked_title(text: str) -> str:
    return checked_line("title", text, TITLE_MAX_CHARS)


def checked_description(text: str) -> str:
    return checked_line(
        "description", text.replace("\r\n", "\n"), DESCRIPTION_MAX_CHARS, allowed=_LINE_BREAKS
    )


def checked_visibility(value: str) -> str:
    if value not in Asset.Visibility.values:
        raise InvalidInput(
            f"visibility must be one of {', '.join(Asset.Visibility.values)}.", field="visibility"
        )
    return value


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags in the order given, each once whatever its case, empty ones left out."""
    if isinstance(tags, str):
        raise TypeError("tags is a list of words, not one string")
    names = []
    for tag in tags:
        name = _one_line(checked_line("tags", tag, TAG_MAX_CHARS))
        if "," in name:
            raise InvalidInput("tags: a tag holds no comma, because commas separate tags.", field="tags")
        names.append(name)
    unique = _without_repeats(name for name in names if name)
    if len(unique) > TAGS_MAX:
        raise InvalidInput(f"tags: at most {TAGS_MAX} tags.", field="tags")
    return unique


def checked_line(field: str, text: str, max_chars: int, allowed: str = "") -> str:
    """Normalised (NFC) and stripped; InvalidInput names the field."""
    text = unicodedata.normalize("NFC", text).strip()
    if len(text) > max_chars:
        raise InvalidInput(f"{field} must be at most {max_chars} characters, not {len(text)}.", field=field)
    if has_control(text, but=allowed):
        raise InvalidInput(f"{field} must not contain control characters.", field=field)
    return text


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _without_repeats(names: Iterable[str]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.casefold(), name)
    return tuple(first.values())
