"""Addresses of captioning: the pictures of its review."""

from django.urls import path

from captioning import views

urlpatterns = [
    path("review/photos/<int:asset_id>/<int:width_px>", views.review_picture, name="review-picture"),
]
