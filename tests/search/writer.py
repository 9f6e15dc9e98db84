"""A process that describes and indexes photos, one after the other, and now and then rebuilds the index.

    python -m tests.search.writer OWNER_ID FIRST COUNT REBUILD_EVERY

Says `photo ASSET_ID NUMBER` after each commit and `rebuilding` before each rebuild. Photo N is captioned
"wordN picture".
"""

import sys

import django


def main(owner_id: int, first: int, count: int, rebuild_every: int) -> None:
    django.setup()
    from django.contrib.auth.models import User

    from search.services import rebuild_index
    from tests.search.photos import photo

    owner = User.objects.get(pk=owner_id)
    for number in range(first, first + count):
        asset = photo(owner, f"word{number} picture", sha256=f"{number:064x}")
        print(f"photo {asset.pk} {number}", flush=True)  # noqa: T201 - read by the test
        if rebuild_every and number % rebuild_every == 0:
            print("rebuilding", flush=True)  # noqa: T201
            rebuild_index()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
