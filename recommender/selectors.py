"""What is known of the photos that relations are drawn between."""

from collections.abc import Sequence

from library.models import Asset


def contents_of(asset_ids: Sequence[int]) -> dict[int, str]:
    """The hash of each asset's bytes: the same hash is the same picture."""
    return dict(Asset.objects.filter(pk__in=asset_ids).values_list("pk", "sha256"))
