"""Forms of the library's pages. They know shapes; the services know the rules and name the field that broke one."""

from typing import Any

from django import forms

from core.errors import InvalidInput
from library.models import ApiKey, Asset


class LinesField(forms.CharField):
    """Several lines. A line break is one character, as people and the services count it; browsers send two."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n")


class AssetForm(forms.Form):
    """What an owner says of a photo.

    `shown` is the caption as the form came with it: others may replace it while the form is open.
    """

    use_required_attribute = False

    title = forms.CharField(required=False, max_length=200)
    caption = forms.CharField(
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Your words stand before the model’s. Empty the box to have the model’s own sentence back.",
    )
    shown = forms.CharField(required=False, widget=forms.HiddenInput)
    description = LinesField(required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": 4}))
    tags = forms.CharField(required=False, max_length=4000, help_text="Separated by commas")
    visibility = forms.ChoiceField(
        label="Who may see it?",
        choices=[(Asset.Visibility.PRIVATE, "Only me"), (Asset.Visibility.PUBLIC, "Everyone")],
        widget=forms.RadioSelect,
    )

    def clean_tags(self) -> list[str]:
        return split_tags(self.cleaned_data["tags"])

    def says_otherwise(self) -> bool:
        """Whether the owner put other words into the caption's box than were shown there."""
        # A form that was opened before there was `shown` can only be compared with what stands now.
        shown = self.data.get("shown", self.get_initial_for_field(self.fields["shown"], "shown") or "")
        return bool(self.cleaned_data["caption"].split() != shown.split())


class ApiKeyForm(forms.Form):
    """A new API key: a name to know it by, and what it may do."""

    use_required_attribute = False

    name = forms.CharField(
        max_length=80,
        help_text="What will use it, so that you know it again",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=[],
        initial=[ApiKey.Scope.READ],
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, is_staff: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [
            (ApiKey.Scope.READ, "Search and see photos"),
            (ApiKey.Scope.WRITE, "Upload, change and delete your photos"),
        ]
        # A key never exceeds its owner's rights, so nobody is offered what would not work.
        if is_staff:
            choices.append((ApiKey.Scope.ADMIN, "Administrate: rebuild the index, watch jobs"))
        scopes = self.fields["scopes"]
        assert isinstance(scopes, forms.MultipleChoiceField)
        scopes.choices = choices


def split_tags(text: str) -> list[str]:
    """The tags of a line in which commas part them."""
    return [tag for part in text.split(",") if (tag := " ".join(part.split()))]


def add_problem(form: forms.Form, error: InvalidInput) -> None:
    """Puts a service's refusal beside the field it is about."""
    form.add_error(error.field if error.field in form.fields else None, str(error))
