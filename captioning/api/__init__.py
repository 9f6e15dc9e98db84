"""Captions over HTTP."""

from ninja import Router

from captioning.api import captions, review

router = Router()
router.add_router("", captions.router)
router.add_router("", review.router)
