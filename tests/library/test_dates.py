"""When a photo was taken, as far as a file can be believed."""

from datetime import datetime, timedelta, timezone
from importlib import import_module

import pytest
from django.contrib.auth.models import User
from django.db import connection

from library.media.metadata import Metadata
from library.models import Asset
from tests.library.conftest import stored
from tests.library.pictures import picture, xmp_packet

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_photo_from_beyond_the_calendar_is_stored_without_its_date(written: str, alice: User) -> None:
    packet = xmp_packet(f"<photoshop:DateCreated>{written}</photoshop:DateCreated>")
    assert Asset.objects.get(pk=stored(alice, picture(xmp=packet)).pk).taken_at is None


@pytest.mark.parametrize(
    "taken_at",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12))),
        datetime(1, 1, 1),
    ],
)
def test_no_reader_of_metadata_can_date_a_row_beyond_the_calendar(
    taken_at: datetime, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("library.media.probe.read_metadata", lambda image: Metadata(taken_at=taken_at))
    assert Asset.objects.get(pk=stored(alice).pk).taken_at is None


def test_dates_from_before_they_were_checked_are_dropped_by_a_migration(alice: User) -> None:
    """What PostgreSQL keeps of them can't even be read."""
    impossible = "0044-03-15 BC" if connection.vendor == "postgresql" else "0044-03-15 00:00:00"
    broken, fine = stored(alice, picture(seed=1)), stored(alice, picture(seed=2))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE library_asset SET taken_at = %s WHERE id = %s", [impossible, broken.pk])
        cursor.execute("UPDATE library_asset SET taken_at = '2020-06-01 12:00:00' WHERE id = %s", [fine.pk])
        migration = import_module("library.migrations.0005_believable_dates").Migration
        cursor.execute(migration.operations[0].sql)
    assert dict(Asset.objects.values_list("pk", "taken_at__year")) == {broken.pk: None, fine.pk: 2020}
