"""Addresses of the recommender's pages."""

from django.urls import path

from recommender import views

urlpatterns = [
    path("assets/<int:asset_id>/related/", views.related, name="related-fragment"),
    path("embed/related.js", views.embed_script, name="embed-script"),
    path("embed/pictures/<str:token>/<int:width_px>", views.item_picture, name="item-picture"),
]
