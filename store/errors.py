"""What the store can refuse, as named facts.

StoreError
├── DatabaseUrlInvalid
├── DatabaseUnreachable
├── SchemaMismatch
│   ├── SchemaMissing
│   ├── SchemaOlder
│   └── SchemaNewer
├── ReadingUnknown
├── FaceUnknown
├── EmotionUnknown
├── FeedbackUnknown
├── QuestionUnknown
├── NotYourReading
├── NotYourFeedback
├── ConsentMissing
├── VersionUnknown
├── VersionNotPromotable
│   ├── VersionVoid
│   └── VersionDeleted
├── NoCurrentVersion
├── NothingToRollBackTo
├── GateRefused
├── LeaseTaken
├── LeaseLost
├── RunUnknown
└── RunEnded
"""

from datetime import datetime


class StoreError(Exception):
    """Base of everything that `store` raises on purpose; its text is one line."""


class DatabaseUrlInvalid(StoreError):
    """The database URL names neither a SQLite file nor a PostgreSQL database."""


class DatabaseUnreachable(StoreError):
    """The database cannot be opened; the text says where (no password) and why."""


class SchemaMismatch(StoreError):
    """Base of the three ways in which a database can be at another revision than this code."""


class SchemaMissing(SchemaMismatch):
    """The database has no schema yet."""

    def __init__(self) -> None:
        super().__init__("The database is empty. Run: python -m bot db upgrade")


class SchemaOlder(SchemaMismatch):
    """The database is at an earlier revision than this code expects."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(
            f"The database is at revision {found}, this program needs {expected}. "
            "Run: python -m bot db upgrade"
        )


class SchemaNewer(SchemaMismatch):
    """The database is at a revision that this code does not know."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(
            f"The database is at revision {found}, which this program (made for {expected}) does "
            "not know. Install the newer program, or restore an older database."
        )


class ReadingUnknown(StoreError):
    """There is no such reading, or it was erased."""


class FaceUnknown(StoreError):
    """The reading has no face of that number."""

    def __init__(self, number: int, valid: tuple[int, ...]) -> None:
        self.number = number
        self.valid = valid
        super().__init__(f"There is no face {number}; there are {list(valid)}.")


class EmotionUnknown(StoreError):
    """The emotion is none of the seven."""

    def __init__(self, emotion: str) -> None:
        self.emotion = emotion
        super().__init__(f"{emotion!r} is none of the seven emotions.")


class FeedbackUnknown(StoreError):
    """There is no such feedback, or it was erased."""


class QuestionUnknown(StoreError):
    """There is no such question to that person, or it was erased."""


class NotYourReading(StoreError):
    """The person may not speak about this reading."""


class NotYourFeedback(StoreError):
    """The person did not give this feedback."""


class ConsentMissing(StoreError):
    """A crop was to be kept of somebody who has not consented."""


class VersionUnknown(StoreError):
    """No model version has this digest."""


class VersionNotPromotable(StoreError):
    """The version is current already, was rejected, or may not stand in for the current one."""


class VersionVoid(VersionNotPromotable):
    """Somebody whom the version was trained on was erased since: it never serves again."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        super().__init__(
            f"Version {digest} was trained on somebody who was erased since, or withdrew their "
            "consent: it never serves again."
        )


class VersionDeleted(VersionNotPromotable):
    """The version's files were deleted; only its figures are kept."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        super().__init__(f"Version {digest} was deleted from disk; only its figures are kept.")


class NoCurrentVersion(StoreError):
    """No model version is current: the shipped base has not been registered yet."""


class NothingToRollBackTo(StoreError):
    """The current version replaced none."""


class GateRefused(StoreError):
    """The gate said no, and no reason for overriding it was given."""


class LeaseTaken(StoreError):
    """Somebody else holds the lease."""

    def __init__(self, name: str, holder: str, expires_at: datetime) -> None:
        self.name = name
        self.holder = holder
        self.expires_at = expires_at
        super().__init__(f"{name} is held by {holder} until {expires_at:%Y-%m-%d %H:%M:%S} UTC.")


class LeaseLost(StoreError):
    """The lease ran out, was released, or was taken over."""


class RunUnknown(StoreError):
    """There is no training run with this id."""


class RunEnded(StoreError):
    """The training run was failed or finished before."""
