"""The page of saved searches: ask one again, keep one, forget one."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from config.errors import problem_of
from config.pages.filters import address
from core.errors import SightlineError
from library.access import require_session
from search import saved
from search.query import BY_RELEVANCE


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def saved_searches(request: HttpRequest) -> HttpResponse:
    """The saved searches, and the form for the one that `?q=` brings."""
    owner = require_session(request)
    asked = request.POST if request.method == "POST" else request.GET
    form = {name: asked.get(name, "") for name in ("q", "name", "sort")}
    message, status = "", 200
    if request.method == "POST":
        try:
            kept = saved.save_search(owner, form["q"], name=form["name"], sort=form["sort"] or BY_RELEVANCE)
        except SightlineError as error:
            problem = problem_of(error)
            assert problem is not None  # every SightlineError is in the table
            message, status = problem.detail, problem.status
        else:
            messages.success(request, f"“{kept.name}” is saved.")
            return redirect("saved-searches")
    listed = [(one, address(one.query, one.sort)) for one in saved.saved_searches(owner)]
    context = {"form": form, "searches": listed, "message": message, "name_max_chars": saved.NAME_MAX_CHARS}
    return render(request, "pages/saved_searches.html", context, status=status)


@login_required
@require_POST
def forget(request: HttpRequest, saved_id: int) -> HttpResponse:
    """A stranger's is not found."""
    saved.forget_search(require_session(request), saved_id)
    messages.success(request, "The saved search is removed.")
    return redirect("saved-searches")
