"""Passwords, with patience for slips and none for guessing: after many wrong ones for a name, a while none is right."""

import hashlib
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest

from core.client_address import client_address
from workers import purses

#: From one address, of one name: what a person mistypes in that time, and far too few to guess a password by.
GUESSES = 10
#: From all addresses together: more, so that nobody keeps somebody else out by a few wrong passwords.
GUESSES_OF_ALL = 100
WINDOW_S = 5 * 60


class PatientBackend(ModelBackend):
    """Django's own, for every door that asks for a password: the pages, the administration."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        if username and _is_shut(request, username):
            raise PermissionDenied  # no other backend is asked either
        user = super().authenticate(request, username, password, **kwargs)
        if username and user is None:
            for purse in _purses(request, username):
                purses.spend(purse, 1, window_s=WINDOW_S)
        return user


class SignInForm(AuthenticationForm):
    """Django's own, which says that one has to wait."""

    def get_invalid_login_error(self) -> ValidationError:
        if _is_shut(self.request, str(self.cleaned_data.get("username"))):
            minutes = -(-purses.window_left_s(WINDOW_S) // 60)
            return ValidationError(
                f"Too many wrong passwords for this name. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
            )
        return super().get_invalid_login_error()


class NewPasswordForm(PasswordChangeForm):
    """Django's own, which counts wrong old passwords, too: a browser may have been left signed in."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        password = str(self.cleaned_data["old_password"])
        if not is_password_of(self.request, self.user, password):
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return password


def is_password_of(request: HttpRequest, user: User, password: str) -> bool:
    """Whether it is; never while too many wrong ones were tried of late."""
    return authenticate(request, username=user.get_username(), password=password) is not None


def _is_shut(request: HttpRequest | None, name: str) -> bool:
    """Whether too many passwords were tried for a name of late, whether there is such an account or not."""
    here, everywhere = (purses.spend(purse, 0, window_s=WINDOW_S) for purse in _purses(request, name))
    return here >= GUESSES or everywhere >= GUESSES_OF_ALL


def _purses(request: HttpRequest | None, name: str) -> tuple[str, str]:
    """Of this address and of all. Neither names nor addresses are kept."""
    address = client_address(request) if request is not None else ""
    here, everywhere = (hashlib.sha256(text.encode()).hexdigest() for text in (f"{address} {name}", name))
    return f"sign-in:{here}", f"sign-in-of-all:{everywhere}"
