"""Addresses of the pages that bring several rooms together."""

from django.urls import path

from config.pages import account, assets, filters, home, review, safety, searches, selecting, takeout

urlpatterns = [
    path("", home.home, name="search"),
    path("search/picture/", home.by_picture, name="search-picture"),
    path("search/filters/", filters.refine, name="search-filters"),
    path("search/facets/", filters.counts, name="search-facets"),
    path("searches/", searches.saved_searches, name="saved-searches"),
    path("searches/<int:saved_id>/forget/", searches.forget, name="saved-search-forget"),
    path("account/login/", account.SignIn.as_view(), name="login"),
    path("account/password/", account.ChangePassword.as_view(), name="password-change"),
    path("account/captions/", account.caption_style, name="caption-style"),
    path("account/photos/", takeout.download, name="takeout"),
    path("account/close/", account.close, name="account-close"),
    path("library/", assets.my_photos, name="my-assets"),
    path("library/select/", selecting.select, name="select-photos"),
    path("assets/<int:asset_id>/", assets.asset, name="asset"),
    path("assets/<int:asset_id>/edit/", assets.edit, name="asset-edit"),
    path("assets/<int:asset_id>/delete/", assets.delete, name="asset-delete"),
    path("assets/<int:asset_id>/safety/", safety.say, name="asset-safety"),
    path("review/", review.page, name="review"),
    path("review/<int:caption_id>/", review.decide, name="review-decide"),
    path("review/undo/", review.undo, name="review-undo"),
    path("review/stop/", review.stop, name="review-stop"),
]
