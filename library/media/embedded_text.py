"""Titles, descriptions and keywords that other programs embedded as IPTC or XMP."""

import re
import unicodedata
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

from PIL import ImageFile, IptcImagePlugin

from library.media.moments import is_believable
from library.media.words import Words

_LINE_MAX_CHARS = 5000
_XMP_MAX_BYTES = 1_000_000
_KEYWORDS_MAX = 50
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_PHOTOSHOP_DATE = "{http://ns.adobe.com/photoshop/1.0/}DateCreated"
_EXIF_DATE = "{http://ns.adobe.com/exif/1.0/}DateTimeOriginal"
_IPTC_TITLE, _IPTC_KEYWORD, _IPTC_HEADLINE, _IPTC_CAPTION, _IPTC_CHARSET = (
    (2, 5),
    (2, 25),
    (2, 105),
    (2, 120),
    (1, 90),
)
_IPTC_UTF8 = b"\x1b%G"


def clean_line(text: str) -> str:
    """One line of plain characters: what a stranger's file says may hold anything."""
    printable = "".join(
        " " if unicodedata.category(char) in {"Cc", "Cs"} else char for char in text[:_LINE_MAX_CHARS]
    )
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", printable)).strip()


def iptc_words(image: ImageFile.ImageFile) -> Words:
    """IPTC-IIM; its text is UTF-8 where the file says so, and else nearly always Latin-1."""
    try:
        fields: dict[tuple[int, int], Any] = IptcImagePlugin.getiptcinfo(image) or {}
    except Exception:  # a broken block is as good as none, and the parser raises nearly anything
        return Words()
    utf8 = fields.get(_IPTC_CHARSET) == _IPTC_UTF8

    def lines(key: tuple[int, int]) -> list[str]:
        values = fields.get(key, [])
        values = values if isinstance(values, list) else [values]
        return [line for value in values if (line := clean_line(_decoded(value, utf8=utf8)))]

    titles = lines(_IPTC_TITLE) or lines(_IPTC_HEADLINE)
    return Words(
        title=next(iter(titles), ""),
        description=next(iter(lines(_IPTC_CAPTION)), ""),
        keywords=_unique(lines(_IPTC_KEYWORD)),
    )


def xmp_words(packet: bytes | str | None) -> Words:
    """XMP's Dublin Core fields. Packets with a document type are refused: entities could expand without end."""
    root = _parsed(packet)
    if root is None:
        return Words()
    return Words(
        title=next(iter(_items(root, f"{_DC}title")), ""),
        description=next(iter(_items(root, f"{_DC}description")), ""),
        keywords=_unique(_items(root, f"{_DC}subject")),
        taken_at=_date(root),
    )


def _parsed(packet: bytes | str | None) -> ElementTree.Element | None:
    if not packet or len(packet) > _XMP_MAX_BYTES:
        return None
    try:
        text = packet.decode("utf-8") if isinstance(packet, bytes) else packet
        text = text.strip("\0 \r\n\t\ufeff")
        if "<!" in text:
            return None
        return ElementTree.fromstring(text)  # noqa: S314 (no declarations are left that could do harm)
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError):
        return None


def _items(root: ElementTree.Element, name: str) -> list[str]:
    texts = (item.text or "" for field in root.iter(name) for item in field.iter(f"{_RDF}li"))
    return [line for text in texts if (line := clean_line(text))]


def _date(root: ElementTree.Element) -> datetime | None:
    for node in root.iter(f"{_RDF}Description"):
        for name in (_EXIF_DATE, _PHOTOSHOP_DATE):
            written = node.get(name) or node.findtext(name) or ""
            try:
                moment = datetime.fromisoformat(written.strip())
            except ValueError:
                continue
            if is_believable(moment):
                return moment
    return None


def _decoded(value: Any, *, utf8: bool) -> str:
    if not isinstance(value, bytes):
        return ""
    if utf8:
        return value.decode("utf-8", "replace")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _unique(lines: list[str]) -> tuple[str, ...]:
    return tuple({line.casefold(): line for line in reversed(lines)}.values())[::-1][:_KEYWORDS_MAX]
