"""Pages of an account that need the rooms above the library."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from captioning import preferences
from captioning.captioners.styles import DETAILED, NORMAL, SHORT
from library.access import require_session

_SITE = ""


class CaptionStyleForm(forms.Form):
    """How a person's photos are captioned."""

    use_required_attribute = False

    style = forms.ChoiceField(
        label="How much is said of a photo?",
        required=False,
        choices=[
            (_SITE, "As this site does"),
            (SHORT, "Short: for alternative texts"),
            (NORMAL, "Normal"),
            (DETAILED, "Detailed"),
        ],
        widget=forms.RadioSelect,
        help_text="For photos to come; others keep their caption. Where the model in use does not know a style, "
        "captions are normal.",
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def caption_style(request: HttpRequest) -> HttpResponse:
    """The style of the captions of a person's photos."""
    user = require_session(request)
    chosen = preferences.chosen_style(user) or _SITE
    form = CaptionStyleForm(request.POST or None, initial={"style": chosen})
    if request.method == "POST" and form.is_valid():
        preferences.choose_style(user, form.cleaned_data["style"] or None)
        messages.success(request, "Your new photos will be captioned like this.")
        return redirect("caption-style")
    return render(request, "pages/caption_style.html", {"form": form}, status=400 if form.is_bound else 200)
