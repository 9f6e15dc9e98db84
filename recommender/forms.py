"""A site's settings as a form, by the rules of `recommender.sites`."""

from typing import Any, cast

from django import forms

from core.errors import InvalidInput
from recommender import sites
from recommender.models import Site

_SETTINGS = tuple(sites.SiteChanges.__annotations__)


class SiteForm(forms.ModelForm[Site]):
    """Says beside each field what its rule says. What passes is written by the service, not by the form."""

    origins = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Where its pages live, one on each line, such as https://www.example.org",
    )
    webhook_url = forms.URLField(
        required=False, assume_scheme="https", help_text="Told when a caption is ready or corrected"
    )

    class Meta:
        model = Site
        help_texts = {
            "requests_per_minute": "Of each of its keys, a publishable one's of each visitor; 0: any number"
        }
        fields = ("slug", "name", "owner", *(name for name in _SETTINGS if name not in {"name", "origins"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            # As browsers send them back, or the admin's history would tell of a change.
            self.initial["origins"] = "\r\n".join(str(origin) for origin in self.instance.origins.all())

    def clean_origins(self) -> list[str]:
        return list(filter(None, map(str.strip, self.cleaned_data["origins"].splitlines())))

    def clean(self) -> dict[str, Any]:
        cleaned = dict(super().clean() or self.cleaned_data)
        for name in set(_SETTINGS) & set(cleaned):
            try:
                cleaned[name] = sites.checked_setting(name, cleaned[name])
            except InvalidInput as error:
                self.add_error(name, str(error))
        if "slug" in cleaned and "owner" in cleaned:  # of a new one; later they stay as they are
            try:
                sites.check_new(cleaned["owner"], cleaned["slug"])
            except InvalidInput as error:
                self.add_error("slug", str(error))
        return cleaned

    @property
    def settings(self) -> sites.SiteChanges:
        """What was filled in, and passed."""
        passed = {name: value for name, value in self.cleaned_data.items() if name in _SETTINGS}
        return cast(sites.SiteChanges, passed)
