"""Pages of accounts: Django's own views, in our dress."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, views
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView


class NewAccountForm(UserCreationForm[User]):
    """Name and password, by Django's rules."""


class SignUp(views.RedirectURLMixin, FormView[NewAccountForm]):
    """A new account, signed in at once. 404 where the setting ALLOW_SIGNUP says that nobody may."""

    template_name = "account/register.html"
    form_class = NewAccountForm
    next_page = settings.LOGIN_REDIRECT_URL

    @method_decorator(sensitive_post_parameters())
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.ALLOW_SIGNUP:
            raise Http404
        if request.user.is_authenticated:
            return redirect(self.get_success_url())
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(next=self.get_redirect_url(), **kwargs)

    def form_valid(self, form: NewAccountForm) -> HttpResponse:
        login(self.request, form.save())
        messages.success(self.request, "Welcome. Upload your first photos and search them.")
        return super().form_valid(form)
