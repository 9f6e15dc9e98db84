"""Files in a bucket, of a server that speaks S3's protocol."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from moto.server import ThreadedMotoServer

from core.errors import CorruptMedia, Unavailable
from library import storage
from library.asset_store import delete_asset
from library.selectors import open_picture_of
from library.storage_sweep import sweep
from tests.library.conftest import signed_in, stored
from tests.library.pictures import picture

BUCKET = "photos"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty bucket, in which this process keeps its files."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "tests")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    made = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=BUCKET)
    keep_files_in(settings, bucket_name=BUCKET, endpoint_url=endpoint)
    yield made
    made.objects.all().delete()


def keep_files_in(settings: Any, **options: str) -> None:
    default = {
        "BACKEND": "library.bucket_storage.BucketStorage",
        "OPTIONS": {"region_name": "us-east-1", **options},
    }
    settings.STORAGES = {**settings.STORAGES, "default": default}


def keys(bucket: Any) -> list[str]:
    return sorted(one.key for one in bucket.objects.all())


@pytest.mark.django_db(transaction=True)
def test_a_photo_is_kept_shown_and_removed(bucket: Any, alice: User) -> None:
    content = picture()
    asset = stored(alice, content)
    assert keys(bucket) == [asset.original_key, storage.thumbnail_key(asset.sha256, 320)]
    client = signed_in(alice)
    original = client.get(f"/media/asset/{asset.pk}/original")
    assert b"".join(original) == content
    original.close()
    small = client.get(f"/media/asset/{asset.pk}/thumbnail/320")
    assert b"".join(small)[:4] == b"RIFF"
    small.close()
    with open_picture_of(asset) as opened:
        assert opened.size == (asset.width_px, asset.height_px)
    delete_asset(asset)
    assert keys(bucket) == []


@pytest.mark.django_db(transaction=True)
def test_a_file_that_went_missing_is_told_and_put_back(bucket: Any, alice: User) -> None:
    asset = stored(alice)
    bucket.Object(asset.original_key).delete()
    assert not storage.holds(asset.original_key, asset.size_bytes)
    with pytest.raises(CorruptMedia, match="missing"):
        open_picture_of(asset)
    stored(alice)
    assert storage.holds(asset.original_key, asset.size_bytes)


@pytest.mark.django_db(transaction=True)
def test_the_sweep_removes_what_no_row_speaks_of(bucket: Any, alice: User) -> None:
    asset = stored(alice)
    storage.put(storage.original_key("f" * 64, "jpg"), b"left behind")
    assert sweep().contents == 1
    assert {key.rsplit("/", 1)[-1][:64] for key in keys(bucket)} == {asset.sha256}


@pytest.mark.parametrize(
    "options", [{"bucket_name": "no-such-bucket"}, {"endpoint_url": "http://127.0.0.1:9"}]
)
def test_a_bucket_that_can_not_be_used_is_ours_to_heal(
    bucket: Any, endpoint: str, settings: Any, options: dict[str, str]
) -> None:
    keep_files_in(settings, **{"bucket_name": BUCKET, "endpoint_url": endpoint, **options})
    with pytest.raises(
        Unavailable, match="The file store can't be used: the bucket refuses or can't be reached"
    ):
        storage.put("originals/aa/bb/x.jpg", b"bytes")


def test_a_server_that_is_away_is_no_missing_file(bucket: Any, settings: Any) -> None:
    keep_files_in(settings, bucket_name=BUCKET, endpoint_url="http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        storage.open_file("originals/aa/bb/x.jpg")


def test_names_stay_as_they_are_when_written_again(bucket: Any) -> None:
    for content in (b"one", b"two"):
        storage.put("originals/aa/bb/x.jpg", content)
    with default_storage.open("originals/aa/bb/x.jpg") as file:
        assert file.read() == b"two"
    assert keys(bucket) == ["originals/aa/bb/x.jpg"]
