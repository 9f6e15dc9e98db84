"""People who leave: their account is shut at once, and what is theirs is deleted, which may take a while."""

from contextlib import suppress

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from core.progress import Progress
from library.asset_store import delete_asset
from library.models import Asset


@transaction.atomic
def shut_account(owner: User) -> None:
    """Nobody signs in to it or uses its keys any more, nothing is added to it, and nobody else sees a photo of it."""
    User.objects.filter(pk=owner.pk).update(is_active=False)
    Asset.objects.filter(owner=owner).update(visibility=Asset.Visibility.PRIVATE, updated_at=timezone.now())


def delete_shut_account(owner: User, progress: Progress) -> None:
    """`delete_account`, unless it was opened again, also while this is under way."""

    def going_on(done: int, total: int) -> None:
        progress(done, total)
        if User.objects.filter(pk=owner.pk, is_active=True).exists():
            raise _OpenedAgain

    with suppress(_OpenedAgain):
        going_on(0, 0)
        delete_account(owner, going_on)


class _OpenedAgain(Exception):
    """An account is not to be deleted any more."""


def delete_account(owner: User, progress: Progress | None = None) -> None:
    """Removes a person with all that is theirs. Photos go first and one by one, each in a transaction of its own unless
    there is one around all: so what is stopped can be begun again.
    """
    keys = list(Asset.objects.filter(owner=owner).order_by("pk").values_list("pk", flat=True))
    for done, pk in enumerate(keys, start=1):
        for asset in Asset.objects.filter(pk=pk):  # none where it was deleted meanwhile
            delete_asset(asset)
        if progress:
            progress(done, len(keys))
    owner.delete()
