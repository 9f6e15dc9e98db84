"""Every error Sightline raises on purpose, on one page. `config.errors` maps each to an HTTP status, once.

SightlineError
├── InvalidInput              the request or file is wrong; the message says what to do
│   ├── InvalidQuery          a search that can't be understood; points at the token
│   ├── UnsupportedMedia      not a picture we read
│   ├── CorruptMedia          a picture whose bytes are damaged
│   └── TooLarge              over a limit on bytes, pixels or files
├── NotFound                  no such thing, or not for you: the answer is the same
├── NotAllowed                you may see it but not do this
├── Conflict                  the state of the thing forbids it now
│   └── NeedsForce            it would do harm: only for who insists
└── Unavailable               ours to heal; come back later
    ├── ModelUnavailable      a model's weights are missing or damaged
    ├── EngineUnavailable     the vector index can't answer
    └── QueueUnavailable      Redis or the workers can't be reached in time
"""


class SightlineError(Exception):
    """Base of all errors that carry a message for the person who asked."""


class InvalidInput(SightlineError):
    """The request is wrong. `field` names the part of it that is."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class InvalidQuery(InvalidInput):
    """A search can't be understood. start, end: where `token` stands in the query, in characters.

    allowed: what may stand there, where that is a list.
    """

    def __init__(
        self, message: str, *, start: int, end: int, token: str, allowed: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, field="q")
        self.start = start
        self.end = end
        self.token = token
        self.allowed = allowed


class UnsupportedMedia(InvalidInput):
    """The bytes are not of a type that Sightline reads."""


class CorruptMedia(InvalidInput):
    """The type is known, but the bytes can't be decoded."""


class TooLarge(InvalidInput):
    """Over a limit on bytes, pixels or number of files."""


class NotFound(SightlineError):
    """There is no such thing, or it belongs to someone else: callers can't tell which."""


class NotAllowed(SightlineError):
    """The caller may see the thing but not do this with it."""


class Conflict(SightlineError):
    """The thing is in a state that forbids this now."""


class NeedsForce(Conflict):
    """Most likely a mistake, and done only for who insists; the message says why."""


class Unavailable(SightlineError):
    """A part of the service is away. `retry_after_s` says when asking again makes sense."""

    def __init__(self, message: str, *, retry_after_s: int = 10) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ModelUnavailable(Unavailable):
    """A model's weights are missing, damaged, or belong to another base."""


class EngineUnavailable(Unavailable):
    """The vector index can't answer."""


class QueueUnavailable(Unavailable):
    """Redis can't be reached, or no worker answered in time."""
