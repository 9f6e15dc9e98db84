"""The page of API keys: make one, see it once, revoke it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from core.errors import InvalidInput
from library import api_keys as keys
from library.access import require_session
from library.forms import ApiKeyForm, add_problem


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def api_keys(request: HttpRequest) -> HttpResponse:
    """The keys and the form for a new one. The answer to the form is the only page that ever shows the secret."""
    owner = require_session(request)
    form = ApiKeyForm(request.POST or None, is_staff=owner.is_staff)
    new = None
    if request.method == "POST" and form.is_valid():
        try:
            new = keys.create_key(owner, **form.cleaned_data)
        except InvalidInput as error:
            add_problem(form, error)
        else:
            form = ApiKeyForm(is_staff=owner.is_staff)
    context = {"form": form, "keys": keys.live_keys(owner), "new": new}
    return render(request, "library/api_keys.html", context, status=400 if form.is_bound else 200)


@login_required
@require_POST
def revoke_api_key(request: HttpRequest, key_id: int) -> HttpResponse:
    """The key stops working at once. A stranger's key is not found."""
    keys.revoke_key(require_session(request), key_id)
    messages.success(request, "The key is revoked and works no more.")
    return redirect("api-keys")
