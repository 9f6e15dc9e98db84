"""Serving stored pictures: every file goes through a door that asks who is looking."""

from django.core.files.base import File
from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.views.decorators.http import require_safe

from core.errors import NotFound
from library import renditions, storage
from library.access import viewer_of
from library.models import Asset
from library.selectors import asset_for, is_owner

#: How long a copy elsewhere may outlive a deletion, or the moment an asset is made private.
_MAX_AGE_S = 3600


@require_safe
def thumbnail(request: HttpRequest, asset_id: int, width_px: int) -> HttpResponseBase:
    return thumbnail_of(request, asset_for(viewer_of(request), asset_id), width_px)


def thumbnail_of(request: HttpRequest, asset: Asset, width_px: int) -> HttpResponseBase:
    """The thumbnail of an asset that the caller may see, as the caller has made sure of."""
    etag = f'"{asset.sha256[:32]}-{width_px}"'
    if unchanged := get_conditional_response(request, etag=etag):
        return _cacheable(unchanged, asset, etag)
    response = FileResponse(renditions.open_thumbnail(asset, width_px), content_type="image/webp")
    return _cacheable(response, asset, etag)


@require_safe
def original(request: HttpRequest, asset_id: int) -> HttpResponseBase:
    """The untouched bytes for their owner. Others get the picture without its metadata, which may tell the place."""
    viewer = viewer_of(request)
    asset = asset_for(viewer, asset_id)
    owner = is_owner(viewer, asset)
    etag = f'"{asset.sha256[:32]}-{"original" if owner else "clean"}"'
    if unchanged := get_conditional_response(request, etag=etag):
        return _cacheable(unchanged, asset, etag)
    file, mime_type, name = _original(asset) if owner else _clean_copy(asset)
    response = FileResponse(file, content_type=mime_type, filename=name)
    return _cacheable(response, asset, etag)


def _original(asset: Asset) -> tuple[File[bytes], str, str]:
    try:
        return storage.open_file(asset.original_key), asset.mime_type, asset.original_name
    except FileNotFoundError as error:
        raise NotFound("The stored file of this asset is missing.") from error


def _clean_copy(asset: Asset) -> tuple[File[bytes], str, str]:
    return renditions.open_clean_copy(asset), renditions.CLEAN_COPY_TYPE, f"{asset.pk}.jpg"


def _cacheable(response: HttpResponseBase, asset: Asset, etag: str) -> HttpResponseBase:
    """The same address answers differently to different people, so even public files vary by who asks."""
    public = asset.visibility == Asset.Visibility.PUBLIC
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = f"{'public' if public else 'private'}, max-age={_MAX_AGE_S}"
    patch_vary_headers(response, ["Cookie", "Authorization"])
    return response
