"""Signing in, with patience for slips and none for guessing: after so many wrong passwords for a name, a while none."""

import hashlib
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest

from workers import purses

#: What a slow machine's owner types in that time, and far too few to guess a password by.
GUESSES = 10
WINDOW_S = 5 * 60


class PatientBackend(ModelBackend):
    """Django's own, for every door: the page, the administration."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        name = username or kwargs.get(User.USERNAME_FIELD)
        if name and is_shut(name):
            raise PermissionDenied  # no other backend is asked either
        user = super().authenticate(request, username, password, **kwargs)
        if name and user is None:
            purses.spend(_purse(name), 1, window_s=WINDOW_S)
        return user


class SignInForm(AuthenticationForm):
    """Django's own, which says that one has to wait."""

    def get_invalid_login_error(self) -> ValidationError:
        if is_shut(str(self.cleaned_data.get("username"))):
            minutes = -(-purses.window_left_s(WINDOW_S) // 60)
            return ValidationError(
                f"Too many wrong passwords for this name. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
            )
        return super().get_invalid_login_error()


def is_shut(name: str) -> bool:
    """Whether too many passwords were tried for a name of late, whether there is such an account or not."""
    return purses.spend(_purse(name), 0, window_s=WINDOW_S) >= GUESSES


def _purse(name: str) -> str:
    return f"sign-in:{hashlib.sha256(name.encode()).hexdigest()}"
