"""The account that owns the demo's photos."""

import os
import secrets
from pathlib import Path

from django.contrib.auth.models import User

NAME = "demo"


def demo_user(password_file: Path) -> tuple[User, str]:
    """The user and the password, which is made once and kept where only the one who started the demo reads it."""
    password = _kept_password(password_file)
    user, _ = User.objects.get_or_create(username=NAME)
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    return user, password


def _kept_password(file: Path) -> str:
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as opened:
            opened.write(secrets.token_urlsafe(9))
    return file.read_text().strip()
