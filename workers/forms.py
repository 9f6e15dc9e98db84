"""Which photos to caption again, as a form of the admin."""

import re

from django import forms

from captioning.recaptioning import Selection


class SelectionForm(forms.Form):
    """All that is given must hold; nothing given means every photo."""

    owner = forms.CharField(required=False, max_length=150, help_text="Photos of this user")
    model_id = forms.CharField(
        required=False, max_length=120, label="Captioned by", help_text="Photos of which this model wrote"
    )
    assets = forms.CharField(
        required=False, help_text="Ids of photos, with spaces or commas between them", label="Photos"
    )
    again = forms.BooleanField(required=False, label="Also what the active version captioned already")

    def clean_assets(self) -> tuple[int, ...]:
        words = re.split(r"[\s,]+", self.cleaned_data["assets"].strip())
        if any(not re.fullmatch(r"[0-9]{1,18}", word) for word in words if word):
            raise forms.ValidationError("Ids are whole numbers.")
        return tuple(int(word) for word in words if word)

    @property
    def selection(self) -> Selection:
        """What a valid form says."""
        given = self.cleaned_data
        return Selection(given["owner"], given["model_id"], given["assets"], given["again"])
