"""What stands in the HTML of a page."""

import re

from django.test import Client


def shown(client: Client, address: str) -> list[int]:
    """Ids of the photos on a page, in order."""
    return ids_in(client.get(address).content.decode())


def ids_in(html: str) -> list[int]:
    return [int(part.split('"')[0]) for part in html.split('data-photo="')[1:]]


def without_token(html: bytes) -> str:
    """A page without the sign-out form's token, which is another one each time."""
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", html.decode())
