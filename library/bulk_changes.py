"""Changes of many photos of one person at once."""

from collections.abc import Collection, Iterable
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from core.errors import InvalidInput
from library.asset_store import delete_asset, update_asset
from library.details import checked_tags
from library.models import Asset
from library.selectors import tag_names

#: A request answers within seconds, and others wait for no photo of these longer than that.
MOST = 500


@transaction.atomic
def change_all(
    owner: User,
    asset_ids: Collection[int],
    *,
    visibility: str | None = None,
    add_tags: Iterable[str] = (),
    remove_tags: Iterable[str] = (),
) -> int:
    """All of their photos among these, or none where one can't be changed so; returns how many there were.

    Who sees them and what they are tagged stays unless it is named; tags are removed in whatever case. InvalidInput
    names the field, and the photo that has no room for another tag.
    """
    adding = checked_tags(add_tags)
    removing = {name.casefold() for name in checked_tags(remove_tags)}
    assets = _own(owner, asset_ids)
    for asset in assets:
        changes: dict[str, Any] = {} if visibility is None else {"visibility": visibility}
        if adding or removing:
            kept = [name for name in tag_names(asset) if name.casefold() not in removing]
            changes["tags"] = [*kept, *adding]
        try:
            update_asset(asset, **changes)
        except InvalidInput as error:
            raise InvalidInput(f"{asset}: {error}", field=error.field) from error
    return len(assets)


def delete_all(owner: User, asset_ids: Collection[int]) -> int:
    """Removes their photos among these, each by itself; returns how many there were."""
    assets = _own(owner, asset_ids)
    for asset in assets:
        delete_asset(asset)
    return len(assets)


def _own(owner: User, asset_ids: Collection[int]) -> list[Asset]:
    """In the order in which others lock several of them. InvalidInput where there are too many."""
    if len(asset_ids) > MOST:
        raise InvalidInput(
            f"At most {MOST} photos are changed at once; these are {len(asset_ids)}.", field="photo"
        )
    return list(Asset.objects.filter(owner=owner, pk__in=asset_ids).order_by("pk"))
