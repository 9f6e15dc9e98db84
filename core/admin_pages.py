"""What the admin pages of every app share: records that nobody changes by hand, and what is deleted as a whole."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.db.models import CASCADE, Model, QuerySet
from django.http import HttpRequest

from core.errors import SightlineError

M = TypeVar("M", bound=Model)


class Records(admin.ModelAdmin[Any]):
    """Written by services, read by people: nothing is added, changed or deleted by hand."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def change_each(
    page: admin.ModelAdmin[Any], request: HttpRequest, chosen: Iterable[M], change: Callable[[M], object]
) -> None:
    """Changes one after the other; of each that can't be changed it is told why."""
    for one in chosen:
        try:
            change(one)
        except SightlineError as error:
            page.message_user(request, str(error), messages.ERROR)


class DeletedWhole(admin.ModelAdmin[Any]):
    """Whoever may delete one of these may delete all that belongs to it, also what nobody deletes by itself.

    Django's own page would refuse that for the sake of `Records`, and list every row, of which there may be a million;
    this one counts what refers to it.
    """

    def get_deleted_objects(
        self, objs: QuerySet[Any] | Sequence[Model], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """What the page before a deletion shows: names, counts by kind, permissions that lack, what is in the way."""
        counts = {str(self.opts.verbose_name_plural): len(objs)}
        for relation in self.opts.related_objects:
            if relation.on_delete is not CASCADE:
                continue
            model: Any = relation.related_model
            if count := model._base_manager.filter(**{f"{relation.field.name}__in": objs}).count():
                counts[str(model._meta.verbose_name_plural)] = count
        return [str(each) for each in objs], counts, set(), []
