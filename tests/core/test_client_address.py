"""Whom a request comes from is what the connection says, unless a setting names the header of a proxy."""

from typing import Any

import pytest
from django.test import RequestFactory

from core.client_address import client_address


def address_of(connected: str, **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client_address(RequestFactory().get("/", headers=named, REMOTE_ADDR=connected))


@pytest.mark.parametrize(
    ("connected", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("@", ""),
    ],
)
def test_it_is_the_connection_s_and_of_ipv6_a_household_s(connected: str, address: str) -> None:
    assert address_of(connected) == address


def test_a_header_that_no_setting_names_is_nobody_s_word() -> None:
    forged = {"X_Forwarded_For": "203.0.113.9", "X_Real_IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    assert address_of("198.51.100.7", **forged) == "198.51.100.7"


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("192.0.2.66, 203.0.113.9", "203.0.113.9"),  # the first is what the visitor sent
        ("192.0.2.66,2001:db8::1", "2001:db8::/64"),
        ("unknown", "198.51.100.7"),
        ("203.0.113.9, ", "198.51.100.7"),
    ],
)
def test_of_a_header_that_is_named_the_last_address_counts(settings: Any, told: str, address: str) -> None:
    settings.CLIENT_ADDRESS_HEADER = "X-Forwarded-For"
    assert address_of("198.51.100.7", X_Forwarded_For=told, X_Real_IP="192.0.2.1") == address


def test_without_that_header_it_is_the_connection_s(settings: Any) -> None:
    settings.CLIENT_ADDRESS_HEADER = "X-Real-IP"
    assert address_of("198.51.100.7", X_Forwarded_For="203.0.113.9") == "198.51.100.7"
