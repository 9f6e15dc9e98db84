"""What a site may say of an item: each field's rule, with an error that names it, and the hash of all of it."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from core.errors import InvalidInput
from core.moments import in_utc
from core.outbound import checked_address
from library.details import checked_line, checked_tags

ID_MAX_CHARS = 200
TITLE_MAX_CHARS = 300
TEXT_MAX_CHARS = 200_000
URL_MAX_CHARS = 2000
_ATTRIBUTES_MAX = 50
_ATTRIBUTE_NAME_MAX_CHARS = 64
_ATTRIBUTE_MAX_CHARS = 500
_ATTRIBUTE_VALUES_MAX = 50
#: BCP 47, near enough.
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_FURTHEST = timedelta(days=365 * 20)


@dataclass(frozen=True)
class Content:
    """Checked words about an item. Make it with `checked_content`."""

    title: str = ""
    text: str = ""
    url: str = ""
    language: str = ""
    tags: tuple[str, ...] = ()
    image_url: str = ""
    published_at: datetime | None = None
    expires_at: datetime | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def sha256(self, upload_sha256: str = "") -> str:
        """Of everything; upload_sha256: of a picture that came with it."""
        told = json.dumps([asdict(self), upload_sha256], sort_keys=True, default=str)
        return hashlib.sha256(told.encode()).hexdigest()

    def note(self) -> str:
        """What its sender should know of its dates; usually nothing."""
        now = timezone.now()
        if self.expires_at and self.expires_at <= now:
            return "It expired already: kept, and shown to nobody."
        if self.published_at and self.published_at > now:
            return f"Not shown before {self.published_at.isoformat()}."
        return ""


def checked_external_id(text: Any) -> str:
    """The site's own name for an item, as it stands in addresses."""
    if not isinstance(text, str):
        raise InvalidInput("external_id must be a text.", field="external_id")
    external_id = checked_line("external_id", text, ID_MAX_CHARS)
    if not external_id or external_id in {".", ".."}:
        raise InvalidInput("external_id must not be empty, nor only dots.", field="external_id")
    return external_id


def checked_content(given: Mapping[str, Any]) -> Content:
    """InvalidInput names the field that breaks a rule, or that nobody knows. What is left out or null is empty."""
    unknown = sorted(str(name) for name in given if name not in _CHECKS)
    if unknown:
        raise InvalidInput(
            f"There is no field {unknown[0][:40]!r}; there are {', '.join(_CHECKS)}.", field=unknown[0][:40]
        )
    values = {name: _CHECKS[name](name, value) for name, value in given.items() if value is not None}
    content = Content(**values)
    if not (content.title or content.text or content.image_url or content.tags):
        raise InvalidInput(
            "An item needs a title, a text, tags or a picture: there is nothing to relate.", field="title"
        )
    if content.published_at and content.expires_at and content.expires_at <= content.published_at:
        raise InvalidInput("expires_at must be later than published_at.", field="expires_at")
    return content


def _text(name: str, value: Any, max_chars: int, allowed: str = "") -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a text, not {_kind(value)}.", field=name)
    return checked_line(name, value.replace("\r\n", "\n"), max_chars, allowed=allowed)


def _title(name: str, value: Any) -> str:
    return re.sub(r"\s+", " ", _text(name, value, TITLE_MAX_CHARS, allowed="\n\t"))


def _long_text(name: str, value: Any) -> str:
    return _text(name, value, TEXT_MAX_CHARS, allowed="\n\t\r\f\v")


def _address(name: str, value: Any) -> str:
    url = _text(name, value, URL_MAX_CHARS)
    if url:
        checked_address(url, name)
    return url


def _language(name: str, value: Any) -> str:
    text = _text(name, value, 35)
    if text and not LANGUAGE.fullmatch(text):
        raise InvalidInput(f"{name} must be a language tag such as en or pt-BR.", field=name)
    return text


def _tags(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(tag, str) for tag in value):
        raise InvalidInput(f"{name} must be a list of texts.", field=name)
    return checked_tags(value)


def _moment(name: str, value: Any) -> datetime | None:
    """ISO 8601; without a time zone it is UTC, without a time the day's beginning."""
    if isinstance(value, str) and not value.strip():
        return None
    moment = _parsed(value) if isinstance(value, str) else None
    if moment is None:
        raise InvalidInput(f"{name} must be a moment such as 2026-11-25T08:00:00Z.", field=name)
    if not _EARLIEST <= moment <= timezone.now() + _FURTHEST:
        raise InvalidInput(
            f"{name}: {value} is out of range, which is from 1900 to twenty years ahead.", field=name
        )
    return moment


def _parsed(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text.strip())
        if moment is None and (day := parse_date(text.strip())):
            moment = datetime(day.year, day.month, day.day)
        if moment is None:
            return None
        return in_utc(moment)
    except ValueError:
        return None


def _attributes(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{name} must be an object, not {_kind(value)}.", field=name)
    if len(value) > _ATTRIBUTES_MAX:
        raise InvalidInput(f"{name}: at most {_ATTRIBUTES_MAX}.", field=name)
    return {
        checked_line(name, str(key), _ATTRIBUTE_NAME_MAX_CHARS): _attribute(name, str(key), one)
        for key, one in sorted(value.items())
    }


def _attribute(name: str, key: str, value: Any) -> Any:
    values = value if isinstance(value, list) else [value]
    if len(values) > _ATTRIBUTE_VALUES_MAX or not all(_is_plain(one) for one in values):
        raise InvalidInput(
            f"{name}: {key[:40]!r} must be a text of at most {_ATTRIBUTE_MAX_CHARS} characters, a number, true, "
            f"false, or a list of at most {_ATTRIBUTE_VALUES_MAX} of these.",
            field=name,
        )
    for one in values:
        if isinstance(one, str):
            checked_line(name, one, _ATTRIBUTE_MAX_CHARS)
    return value


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _ATTRIBUTE_MAX_CHARS
    return isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))


def _kind(value: Any) -> str:
    """As JSON calls it."""
    names = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)


_CHECKS: dict[str, Any] = {
    "title": _title,
    "text": _long_text,
    "url": _address,
    "language": _language,
    "tags": _tags,
    "image_url": _address,
    "published_at": _moment,
    "expires_at": _moment,
    "attributes": _attributes,
}
FIELDS = tuple(_CHECKS)
