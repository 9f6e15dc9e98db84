"""Stills of assets: what everything after storage works on."""

from library.models import Asset, Frame


def make_frames(asset: Asset) -> list[Frame]:
    """An image has exactly one frame, number 0. Safe to run again, and by two at once."""
    frame, _ = Frame.objects.get_or_create(asset=asset, number=0)
    return [frame]
