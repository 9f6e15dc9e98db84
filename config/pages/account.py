"""Pages of an account that need the rooms above the library."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from captioning import preferences
from captioning.captioners.styles import DETAILED, NORMAL, SHORT
from config.sign_in import NewPasswordForm, SignInForm, is_password_of
from core.errors import NotAllowed
from library.access import require_session
from library.selectors import stored_by
from workers import pipeline

_SITE = ""


class SignIn(LoginView):
    template_name = "account/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(allow_signup=settings.ALLOW_SIGNUP, **kwargs)


class ChangePassword(PasswordChangeView):
    template_name = "account/password_change.html"
    form_class = NewPasswordForm
    success_url = reverse_lazy("my-assets")

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, "Your password is changed.")
        return super().form_valid(form)


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


class ClosingForm(forms.Form):
    """The password once more, of who means it."""

    use_required_attribute = False

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request, self.user = request, user

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        if not is_password_of(self.request, self.user, password):
            raise forms.ValidationError("This is not your password.")
        return password


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


@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def close(request: HttpRequest) -> HttpResponse:
    """Closes a person's account, and has all that is theirs deleted. Staff are needed: others take theirs away."""
    user = require_session(request)
    if user.is_staff:
        raise NotAllowed("Accounts of staff are deleted in the administration.")
    form = ClosingForm(request.POST or None, request=request, user=user)
    if request.method == "POST" and form.is_valid():
        pipeline.close_account(user)
        logout(request)
        messages.success(
            request, "Your account is closed. Your photos are out of sight, and are being deleted."
        )
        return redirect("search")
    told = {"form": form, "photos": stored_by(user).photos}
    return render(request, "pages/account_close.html", told, status=400 if form.is_bound else 200)
