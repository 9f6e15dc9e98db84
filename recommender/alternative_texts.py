"""Alternative texts for pictures that a site's pages show, by their address."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from django.conf import settings

from captioning.alt_text import alt_text
from captioning.models import Caption
from captioning.selectors import sentences_of
from core.errors import NotFound
from core.outbound import parts_of_address
from core.texts import has_control
from library.models import Asset, Frame
from recommender.models import Item, Site
from recommender.pictures import asset_id_in
from recommender.site_selectors import assets_shown_by

_PHOTO = re.compile(r"/media/asset/(\d{1,18})/(?:thumbnail/\d+|original)$")
#: A file that is named by its content, as many stores of pictures do.
_NAMED_BY_CONTENT = re.compile(r"(?:^|[/_-])([0-9a-fA-F]{64})(?:\.\w{2,5})?$")
_ITEM_PICTURE = re.compile(r"/embed/pictures/([^/]+)/\d+$")

#: What an address says of a picture: the kind of name, and the name.
Name = tuple[str, int | str]


@dataclass(frozen=True)
class AlternativeText:
    """source: of the caption: model, human or imported. reviewed: a person wrote or accepted it."""

    text: str
    source: str
    reviewed: bool


def alternative_text(site: Site, url: str, our_host: str = "") -> AlternativeText:
    """NotFound for a picture that the site may not show, and for one that has not been described yet."""
    found = alternative_texts(site, [url], our_host)
    if not found:
        raise NotFound("There is no description of this picture.")
    return found[url]


def alternative_texts(site: Site, urls: Iterable[str], our_host: str = "") -> dict[str, AlternativeText]:
    """By address, of those that the site may show and that were described; as many queries for many as for one.

    Pictures of the site's items are known by the address that the site gave; these and public photos of the library
    by our own addresses, and by the SHA-256 of the file where an address ends in it. our_host: as the caller names us.
    """
    assets = _assets_at(site, urls, our_host)
    captions = _captions_of(assets.values())
    texts = {asset_id: _text_of(caption) for asset_id, caption in captions.items()}
    told = {url: texts.get(asset_id) for url, asset_id in assets.items()}
    return {url: text for url, text in told.items() if text is not None and text.text}


def _text_of(caption: Caption) -> AlternativeText:
    reviewed = caption.source != Caption.Source.MODEL or caption.state == Caption.State.ACCEPTED
    return AlternativeText(alt_text(caption.text), caption.source, reviewed)


def _captions_of(asset_ids: Iterable[int]) -> dict[int, Caption]:
    """Of the first frame of each."""
    frames = Frame.objects.filter(asset_id__in=set(asset_ids)).order_by("-number")
    first = dict(frames.values_list("asset_id", "pk"))
    sentences = sentences_of(first.values())
    captions = Caption.objects.in_bulk([sentence.caption_id for sentence in sentences.values()])
    standing = {caption.frame_id: caption for caption in captions.values()}
    return {asset_id: standing[frame_id] for asset_id, frame_id in first.items() if frame_id in standing}


def _assets_at(site: Site, urls: Iterable[str], our_host: str) -> dict[str, int]:
    """Ids by address. Where several have the same one, the newest item or photo has it."""
    asked = [url for url in urls if not has_control(url)]  # which no database looks for
    items = Item.objects.filter(site=site, image_url__in=asked).exclude(asset=None).order_by("pk")
    found = dict(items.values_list("image_url", "asset_id"))
    names = {url: name for url in asked if url not in found and (name := _name_in(url, our_host))}
    known = _known(site, set(names.values()))
    return found | {url: known[name] for url, name in names.items() if name in known}


def _name_in(url: str, our_host: str) -> Name | None:
    """By what an address names a picture, if by anything that we know."""
    host, path = _parts(url)
    if found := _ITEM_PICTURE.search(path):
        asset_id = asset_id_in(found[1])
        return None if asset_id is None else ("item", asset_id)
    # Photos have numbers, and another service may number its own in the same way.
    if (found := _PHOTO.search(path)) and _is_ours(host, our_host):
        return "photo", int(found[1])
    found = _NAMED_BY_CONTENT.search(path)
    return ("content", found[1].lower()) if found else None


def _known(site: Site, names: Collection[Name]) -> dict[Name, int]:
    """The assets of these names that the site may show."""
    pictures, photos = Asset.objects.filter(items__site=site), assets_shown_by(site)
    known: dict[Name, int] = {}
    for kind, column, among in (
        ("photo", "pk", photos),
        ("content", "sha256", photos),
        ("content", "sha256", pictures),  # the site's own stand before those of others
        ("item", "pk", pictures),
    ):
        values = [value for of, value in names if of == kind]
        rows = among.filter(**{f"{column}__in": values}).order_by("pk").values_list(column, "pk")
        known |= {(kind, value): asset_id for value, asset_id in rows}
    return known


def _parts(url: str) -> tuple[str, str]:
    """Host and path; a host that can't be read is none of ours."""
    parts = parts_of_address(url)
    return ("", "") if parts is None else (parts.hostname or "", unquote(parts.path))


def _is_ours(host: str, our_host: str) -> bool:
    """An address without host is one that we gave out."""
    return not host or host == our_host.lower().rsplit(":", 1)[0] or host in _named_hosts()


def _named_hosts() -> set[str]:
    """Names under which this service is known; patterns name nobody."""
    return {host.lower() for host in settings.ALLOWED_HOSTS if not host.startswith(("*", "."))}
