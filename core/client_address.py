"""Whom a request comes from, as far as that can be believed."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

from django.conf import settings
from django.http import HttpRequest

#: What a household or a phone gets of IPv6, any address of which it may take at any moment.
_HOUSEHOLD_BITS = 64


def client_address(request: HttpRequest) -> str:
    """One of IPv4, or the network of one of IPv6; empty where there is none, as behind a socket.

    It is the connection's, so a proxy's where one stands in front, unless CLIENT_ADDRESS_HEADER names the header in
    which that proxy tells it. Of several in that header the last one was added by the proxy; the others anybody may
    have sent.
    """
    told = request.headers.get(settings.CLIENT_ADDRESS_HEADER or "", "").rpartition(",")[2]
    address = _parsed(told) or _parsed(request.META.get("REMOTE_ADDR", ""))
    if isinstance(address, IPv6Address):
        return str(ipaddress.ip_network((address, _HOUSEHOLD_BITS), strict=False))
    return "" if address is None else str(address)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
