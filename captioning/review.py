"""Deciding captions: accept, edit, reject, skip, undo. Each decision is kept with who, when, before and after.

Doors make decisions through `workers.pipeline.followed_at_once`, so that search follows in the same transaction.
"""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from captioning import review_leases, review_queue
from captioning.models import Caption, ReviewDecision
from captioning.services import checked_words, write_words
from core.errors import Conflict, InvalidInput, NotFound
from core.ids import MAX_ID
from library.models import Frame

Kind = ReviewDecision.Kind
State = Caption.State

#: What a caption is after a decision, until somebody changes it.
_STATE_AFTER = {
    Kind.ACCEPT: State.ACCEPTED,
    Kind.EDIT: State.EDITED,
    Kind.REJECT: State.REJECTED,
    Kind.SKIP: State.TO_REVIEW,
}
_MEANWHILE = {
    State.ACCEPTED: "This caption was accepted meanwhile.",
    State.EDITED: "This caption was corrected meanwhile.",
    State.REJECTED: "This caption was rejected meanwhile.",
}


@transaction.atomic
def decide(reviewer: User, caption_id: int, kind: str, *, shown: str, text: str = "") -> ReviewDecision:
    """Decide one caption; `text` are the words of an edit, and an edit that changes nothing accepts.

    shown: the sentence as the reviewer saw it. Conflict says what happened to it meanwhile, or that another reviewer
    has the photo now; a lease that merely ran out is no hindrance. NotFound for what they may not see.
    """
    words = _edited_words(text) if kind == Kind.EDIT else ""
    caption = _locked(reviewer, caption_id)
    _refuse_overtaken(reviewer, caption, shown)
    if kind == Kind.EDIT and words == caption.text:
        kind = Kind.ACCEPT
    after = {Kind.EDIT: words, Kind.REJECT: ""}.get(Kind(kind), caption.text)
    decision = ReviewDecision.objects.create(
        frame_id=caption.frame_id,
        caption=caption,
        model_id=caption.model_id,
        reviewer=reviewer,
        kind=kind,
        before=caption.text,
        after=after,
        state_before=caption.state,
    )
    if kind == Kind.EDIT:
        write_words(caption.frame_id, words)
    _set_state(caption, _STATE_AFTER[Kind(kind)], reworded=after != caption.text)
    review_leases.release(reviewer, caption.frame_id)
    return decision


@transaction.atomic
def undo(reviewer: User) -> ReviewDecision:
    """Take back the reviewer's last decision that is not taken back, and lease them the photo again.

    Conflict where there is none, or where somebody has changed the caption since; then nothing is undone.
    """
    last = review_queue.last_decision(reviewer)
    if last is None or last.caption_id is None:
        raise Conflict("There is no decision of yours to undo.")
    caption = _locked(reviewer, last.caption_id)
    _refuse_changed_since(last, caption)
    undone = ReviewDecision.objects.create(
        frame_id=last.frame_id,
        caption=caption,
        model_id=last.model_id,
        reviewer=reviewer,
        kind=Kind.UNDO,
        before=last.after,
        after=last.before,
        state_before=caption.state,
        undoes=last,
    )
    if last.kind == Kind.EDIT:
        _words_of_people(caption).delete()
    _set_state(caption, State(last.state_before), reworded=last.before != last.after)
    if not review_queue.waiting(reviewer).filter(pk=caption.pk).exists():
        raise Conflict("Another model has described this photo since your decision; it was not undone.")
    review_leases.take(caption.frame_id, reviewer)
    return undone


def _edited_words(text: str) -> str:
    try:
        words = checked_words(text)
    except InvalidInput as error:
        raise InvalidInput(str(error), field="text") from error
    if not words:
        raise InvalidInput("Write a caption, or reject this one.", field="text")
    return words


def _locked(reviewer: User, caption_id: int) -> Caption:
    """A caption that this person may decide of; nobody describes, edits or decides it until the transaction ends."""
    found = None
    if 0 < caption_id <= MAX_ID:
        found = review_queue.reviewable(reviewer).filter(pk=caption_id).first()
    if found is not None:
        Frame.objects.select_for_update(no_key=True).filter(pk=found.frame_id).first()
        found = review_queue.reviewable(reviewer).filter(pk=caption_id).first()
    if found is None:
        raise NotFound("There is no such caption.")
    return found


def _refuse_overtaken(reviewer: User, caption: Caption, shown: str) -> None:
    state = State(caption.state)
    if state in Caption.DECIDED:
        raise Conflict(_MEANWHILE[state])
    if _words_of_people(caption).exists():
        raise Conflict("A person has written a caption for this photo meanwhile.")
    if caption.text.split() != shown.split():
        raise Conflict(f"The model has described this photo anew meanwhile: “{caption.text}”")
    if state != State.TO_REVIEW:
        raise Conflict("This caption needs no review any more.")
    if review_leases.held_by_another(reviewer, caption.frame_id):
        raise Conflict("Another reviewer has this photo now; your ten minutes with it had ended.")
    # Skipped ones may still be decided, by who comes back to them.
    if not review_queue.stands(caption):
        raise Conflict("Another model has described this photo meanwhile.")


def _refuse_changed_since(last: ReviewDecision, caption: Caption) -> None:
    words = list(_words_of_people(caption).values_list("text", flat=True))
    as_left = (
        ReviewDecision.objects.filter(pk=last.pk, undone_by=None).exists()
        and caption.state == _STATE_AFTER[Kind(last.kind)]
        and caption.text == last.before
        and words == ([last.after] if last.kind == Kind.EDIT else [])
    )
    if not as_left:
        raise Conflict("Somebody has changed this caption since your decision; it was not undone.")


def _words_of_people(caption: Caption) -> QuerySet[Caption]:
    return Caption.objects.filter(frame_id=caption.frame_id).exclude(source=Caption.Source.MODEL)


def _set_state(caption: Caption, state: State, *, reworded: bool) -> None:
    """Its time of change moves only where other words stand: that is what search and skipping look at."""
    caption.state = state
    caption.save(update_fields=["state", "updated_at"] if reworded else ["state"])
