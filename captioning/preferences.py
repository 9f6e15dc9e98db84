"""In which style captions are written: a person's own choice, else the site's (CAPTION_STYLE).

A choice is of photos to come. Those that have a caption keep it until they are captioned again.
"""

from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser

from captioning.captioners.styles import checked_style
from captioning.models import CaptionPreference
from library.models import Frame


def chosen_style(user: AbstractBaseUser) -> str | None:
    """What this person chose; None where they leave it to the site."""
    return CaptionPreference.objects.filter(user_id=user.pk).values_list("style", flat=True).first()


def style_for(user: AbstractBaseUser) -> str:
    """The style of this person's captions."""
    return chosen_style(user) or str(settings.CAPTION_STYLE)


def choose_style(user: AbstractBaseUser, style: str | None) -> None:
    """Keep a person's choice; None leaves it to the site again. InvalidInput names the styles."""
    if style is None:
        CaptionPreference.objects.filter(user_id=user.pk).delete()
        return
    CaptionPreference.objects.update_or_create(user_id=user.pk, defaults={"style": checked_style(style)})


def styles_of_frames(frame_ids: Iterable[int]) -> dict[int, str]:
    """The style that the owner of each frame wants, in one query; frames that are gone have none."""
    frames = Frame.objects.filter(pk__in=list(frame_ids))
    chosen = frames.values_list("pk", "asset__owner__caption_preference__style")
    return {frame_id: style or str(settings.CAPTION_STYLE) for frame_id, style in chosen}
