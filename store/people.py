"""People: language, consent, the crops that hang on it, and erasing everything about somebody."""

from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import CursorResult, Update, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import moment
from store.errors import ConsentMissing, FeedbackUnknown, ReadingUnknown
from store.feedback import is_spoken_about, lock_face
from store.forgetting import void_versions_of
from store.readings import face_record
from store.records import Consent, Erased, FaceToKeep, Landmarks, Person
from store.review_cards import take_back_cards
from store.tables import (
    OWNER_COLUMN,
    Base,
    FaceRow,
    InboxRow,
    PersonRow,
    ReadingRow,
    RulingRow,
)
from store.upsert import insert_if_absent


async def see_person(
    session: AsyncSession,
    person_id: int,
    *,
    language: str | None = None,
    now: datetime | None = None,
) -> Person:
    """Return the person, written down now if they are new; `language` counts only then."""
    await insert_if_absent(
        session,
        PersonRow,
        {
            "person_id": person_id,
            "language": language,
            "consent": "unknown",
            "first_seen_at": moment(now),
        },
    )
    return _record(await session.get_one(PersonRow, person_id, populate_existing=True))


async def person(session: AsyncSession, person_id: int) -> Person | None:
    """Return the person, or None where nobody of that id was seen, or they were erased."""
    row = await session.get(PersonRow, person_id, populate_existing=True)
    return None if row is None else _record(row)


async def lock_person(session: AsyncSession, person_id: int) -> Person:
    """Return the person, whom no other transaction changes or locks until this one ends.

    They must have been seen. Rows that refer to them may be written meanwhile: who has just written
    one holds a share of the person, and two of these would else wait for each other for ever.
    """
    row = await session.get_one(
        PersonRow, person_id, populate_existing=True, with_for_update={"key_share": True}
    )
    return _record(row)


async def set_language(session: AsyncSession, person_id: int, language: str) -> None:
    """Remember the language that the person chose; they must have been seen."""
    row = await session.get_one(PersonRow, person_id, populate_existing=True)
    row.language = language
    await session.flush()


async def mark_consent_asked(
    session: AsyncSession, person_id: int, *, now: datetime | None = None
) -> bool:
    """Return True where the person was never asked, and note that they are asked now."""
    changed = await session.execute(
        update(PersonRow)
        .where(PersonRow.person_id == person_id, PersonRow.consent == "unknown")
        .values(consent="asked", consent_at=moment(now))
    )
    return cast(CursorResult[Any], changed).rowcount == 1


async def ask_to_forget(
    session: AsyncSession, person_id: int, *, now: datetime | None = None
) -> None:
    """Note that the person is asked now whether to erase everything; they must have been seen."""
    row = await session.get_one(PersonRow, person_id, populate_existing=True)
    row.forget_asked_at = moment(now)
    await session.flush()


async def keep_after_all(session: AsyncSession, person_id: int) -> None:
    """Note that the person wants nothing erased; nobody of that id is no error."""
    await session.execute(
        update(PersonRow).where(PersonRow.person_id == person_id).values(forget_asked_at=None)
    )


async def set_consent(
    session: AsyncSession,
    person_id: int,
    consent: Literal["given", "withdrawn"],
    *,
    now: datetime | None = None,
) -> Person:
    """Note the person's answer; a withdrawal deletes their crops in the same transaction.

    Versions that were trained on what was agreed to until then are void from now on.
    After giving: keep the crops of `faces_without_crop`. After withdrawing: `truncate_log`.
    """
    row = await session.get_one(PersonRow, person_id, populate_existing=True, with_for_update=True)
    if row.consent != consent:
        row.consent = consent
        row.consent_at = moment(now)
    if consent == "withdrawn":
        await void_versions_of(session, person_id, moment(now))
        await session.execute(
            update(FaceRow)
            .where(FaceRow.person_id == person_id, FaceRow.crop_consented_at.is_not(None))
            .values(crop=None, crop_landmarks=None, crop_consented_at=None)
        )
    await session.flush()
    return _record(row)


async def faces_without_crop(session: AsyncSession, person_id: int) -> tuple[FaceToKeep, ...]:
    """Return the person's faces that have feedback but no crop, with the photo's file id.

    None without consent. Only faces that somebody spoke about are kept: no other can be learnt
    from.
    """
    consents = exists().where(
        PersonRow.person_id == FaceRow.person_id, PersonRow.consent == "given"
    )
    rows = await session.execute(
        select(FaceRow, ReadingRow.file_id)
        .join(ReadingRow, ReadingRow.id == FaceRow.reading_id)
        .where(FaceRow.person_id == person_id, FaceRow.crop_consented_at.is_(None))
        .where(is_spoken_about(), consents)
        .order_by(FaceRow.id)
        .execution_options(populate_existing=True)
    )
    return tuple(FaceToKeep(face_record(row), file_id) for row, file_id in rows)


async def keep_crop(
    session: AsyncSession,
    face_id: int,
    crop: bytes,
    *,
    landmarks: Landmarks | None = None,
) -> None:
    """Keep an encoded crop of a face; `landmarks` are (5, 2) in px of the crop.

    Raises:
        ConsentMissing: the person does not consent (any more).
        ReadingUnknown: the face was erased meanwhile, with its reading.
        FeedbackUnknown: what was said about the face was taken back meanwhile.
    """
    # Locked, so that a withdrawal comes wholly before or wholly after; the face then, for an undo.
    # key_share, since who is writing feedback has locked the face and has yet to name the person.
    owner = select(FaceRow.person_id).where(FaceRow.id == face_id).scalar_subquery()
    consented_at = await session.execute(
        select(PersonRow.consent, PersonRow.consent_at)
        .where(PersonRow.person_id == owner)
        .with_for_update(key_share=True)
    )
    found = consented_at.one_or_none()
    if found is None:
        raise ReadingUnknown("The face was erased.")
    if found.consent != "given":
        raise ConsentMissing("The person does not consent to keeping their face.")
    await lock_face(session, face_id)
    needed = select(FaceRow.id).where(FaceRow.id == face_id, is_spoken_about())
    if await session.scalar(needed) is None:
        raise FeedbackUnknown("Nothing is said about the face any more.")
    await session.execute(
        update(FaceRow)
        .where(FaceRow.id == face_id)
        .values(
            crop=crop,
            crop_landmarks=None if landmarks is None else [list(point) for point in landmarks],
            crop_consented_at=found.consent_at,
        )
    )


async def erase_person(
    session: AsyncSession,
    person_id: int,
    *,
    up_to: int | None = None,
    now: datetime | None = None,
) -> Erased:
    """Delete every row that can be traced to the person; then call `engine.truncate_log`.

    Inbox rows stay as bare update ids, finished, without payload, chat or owner, so that an update
    that Telegram repeats is still known. A worker that holds one will find its claim lost. With
    `up_to`, the inbox row that asks for this, updates that came later are somebody new's and stay.
    Cards that an admin was shown stay until they are taken away: see `review_cards`.
    """
    rows: dict[str, int] = {}
    void = await void_versions_of(session, person_id, moment(now))
    # An admin's rulings on other people's feedback stand; who made them is forgotten.
    await session.execute(
        update(RulingRow).where(RulingRow.admin_id == person_id).values(admin_id=None)
    )
    await take_back_cards(session, person_id)
    for table in reversed(Base.metadata.sorted_tables):
        if OWNER_COLUMN not in table.c:
            continue
        if table is InboxRow.__table__:
            result = await session.execute(_scrubbed(person_id, up_to, moment(now)))
        else:
            result = await session.execute(delete(table).where(table.c[OWNER_COLUMN] == person_id))
        rows[table.name] = cast(CursorResult[Any], result).rowcount
    session.expunge_all()
    return Erased(rows, void)


def _scrubbed(person_id: int, up_to: int | None, at: datetime) -> Update:
    of_the_person = InboxRow.person_id == person_id
    return (
        update(InboxRow)
        .where(of_the_person if up_to is None else of_the_person & (InboxRow.id <= up_to))
        .values(
            person_id=None,
            ordering_key="",
            payload=None,
            error=None,
            state="done",
            leased_by=None,
            lease_until=None,
            finished_at=at,
        )
    )


def _record(row: PersonRow) -> Person:
    return Person(
        person_id=row.person_id,
        language=row.language,
        consent=cast(Consent, row.consent),
        consent_at=row.consent_at,
        first_seen_at=row.first_seen_at,
        forget_asked_at=row.forget_asked_at,
    )
