"""Model versions: one is current, and every change of it is recorded and under the lease."""

import pytest
from sqlalchemy.exc import IntegrityError

from store import feedback, versions
from store.engine import Database
from store.errors import (
    GateRefused,
    LeaseLost,
    NoCurrentVersion,
    NothingToRollBackTo,
    VersionNotPromotable,
    VersionUnknown,
)
from store.records import Lease, ModelEvent, ModelVersion, Verdict
from store.tables import ModelVersionRow
from tests.store.rows import (
    BASE,
    MINA,
    MINUTE,
    NOON,
    add_candidate,
    model_lease,
    promote,
    see,
    teach,
)

FAILED = Verdict(passed=False, report={"p_value": 0.5})


@pytest.fixture
async def lease(database: Database) -> Lease:
    """The right to change versions, until a minute past noon; the base is registered."""
    await see(database, MINA)
    return await model_lease(database)


async def rollback(database: Database, lease: Lease) -> ModelVersion:
    """Roll back once."""
    async with database.sessions.begin() as session:
        return await versions.rollback(session, lease=lease, actor="test", reason="worse", now=NOON)


async def states(database: Database) -> dict[str, str]:
    """Return every version's state, read by a session of its own."""
    async with database.readers() as session:
        return {found.digest: found.state for found in await versions.versions(session)}


async def events(database: Database) -> list[ModelEvent]:
    """Return every event, oldest first."""
    async with database.readers() as session:
        return list(await versions.events(session))


async def test_no_version_is_current_before_the_base_is_registered(database: Database) -> None:
    async with database.readers() as session:
        with pytest.raises(NoCurrentVersion):
            await versions.current_version(session)


async def test_base_becomes_current_where_nothing_is(database: Database) -> None:
    await see(database)
    await see(database)
    async with database.readers() as session:
        assert (await versions.current_version(session)).digest == BASE
    assert [event.event for event in await events(database)] == ["registered"]


async def test_base_registered_again_leaves_the_promoted_version_current(
    database: Database, lease: Lease
) -> None:
    await add_candidate(database, lease, "new")
    await promote(database, lease, "new")
    async with database.sessions.begin() as session:
        again = await versions.register_base(session, BASE, "package:moved", figures={})
        newer = await versions.register_base(session, "base-2", "package:2", figures={})
    assert (again.state, again.uri, newer.state) == ("retired", "package:moved", "retired")
    assert (await states(database))["new"] == "current"


async def test_another_releases_base_takes_the_place_of_the_base_that_left_with_its_release(
    database: Database,
) -> None:
    await see(database)
    async with database.sessions.begin() as session:
        newer = await versions.register_base(session, "base-2", "package:2", figures={})
    assert newer.state == "current"
    assert await states(database) == {BASE: "retired", "base-2": "current"}
    assert [(e.digest, e.event, e.previous_digest) for e in await events(database)][-1] == (
        "base-2",
        "promoted",
        BASE,
    )


async def test_candidate_is_not_current(database: Database, lease: Lease) -> None:
    added = await add_candidate(database, lease, "new")
    assert (added.state, added.parent_digest) == ("candidate", BASE)
    assert added.figures == {"label_accuracy": 0.7}
    assert await states(database) == {BASE: "current", "new": "candidate"}


async def test_candidate_remembers_its_feedback(database: Database, lease: Lease) -> None:
    feedback_id = await teach(database, MINA)
    await add_candidate(database, lease, "new", feedback_id, feedback_id, 999_999)
    async with database.readers() as session:
        assert await versions.feedback_of_version(session, "new") == (feedback_id,)
        assert await versions.people_of_version(session, "new") == (MINA,)


async def test_candidate_may_be_of_more_feedback_than_a_statement_has_parameters(
    database: Database, lease: Lease
) -> None:
    feedback_id = await teach(database, MINA)
    added = await add_candidate(database, lease, "new", *range(40_000))
    assert added.void  # most of it is gone
    async with database.readers() as session:
        assert await versions.feedback_of_version(session, "new") == (feedback_id,)


async def test_candidates_parent_may_be_named_by_a_prefix(database: Database, lease: Lease) -> None:
    assert (await add_candidate(database, lease, "new", parent=BASE[:4])).parent_digest == BASE


async def test_candidate_remembers_its_faces_whatever_is_undone(
    database: Database, lease: Lease
) -> None:
    feedback_id = await teach(database, MINA, photo_message_id=7)
    await add_candidate(database, lease, "new", feedback_id)
    async with database.sessions.begin() as session:
        await feedback.undo_feedback(session, feedback_id, MINA)
    async with database.readers() as session:
        assert await versions.faces_of_version(session, "new") == ("unique-7#1",)


async def test_same_candidate_again_changes_nothing(database: Database, lease: Lease) -> None:
    await add_candidate(database, lease, "new")
    await promote(database, lease, "new")
    assert (await add_candidate(database, lease, "new")).state == "current"


async def test_candidate_of_an_unknown_parent_is_refused(database: Database, lease: Lease) -> None:
    with pytest.raises(VersionUnknown):
        await add_candidate(database, lease, "new", parent="nobody")


async def test_promotion_retires_the_version_before(database: Database, lease: Lease) -> None:
    await add_candidate(database, lease, "new")
    await promote(database, lease, "new")
    assert await states(database) == {BASE: "retired", "new": "current"}
    event = (await events(database))[-1]
    assert (event.event, event.digest, event.previous_digest) == ("promoted", "new", BASE)
    assert (event.override, event.verdict) == (False, {"passed": True, "p_value": 0.01})


@pytest.mark.parametrize("reason", [None, "", "  "])
async def test_promotion_against_the_gate_needs_a_reason(
    database: Database, lease: Lease, reason: str | None
) -> None:
    await add_candidate(database, lease, "new")
    with pytest.raises(GateRefused):
        await promote(database, lease, "new", FAILED, reason)
    assert await states(database) == {BASE: "current", "new": "candidate"}


async def test_override_is_recorded_with_its_reason_and_the_verdict(
    database: Database, lease: Lease
) -> None:
    await add_candidate(database, lease, "new")
    await promote(database, lease, "new", FAILED, "to show it")
    event = (await events(database))[-1]
    assert (event.override, event.reason, event.actor) == (True, "to show it", "test")
    assert event.verdict == {"passed": False, "p_value": 0.5}


async def test_promotion_without_the_lease_changes_nothing(
    database: Database, lease: Lease
) -> None:
    await add_candidate(database, lease, "new")
    with pytest.raises(LeaseLost):
        await promote(database, lease, "new", now=NOON + MINUTE)
    assert await states(database) == {BASE: "current", "new": "candidate"}


async def test_current_version_is_not_promoted_again(database: Database, lease: Lease) -> None:
    with pytest.raises(VersionNotPromotable):
        await promote(database, lease, BASE)


async def test_unknown_version_is_not_promoted(database: Database, lease: Lease) -> None:
    with pytest.raises(VersionUnknown):
        await promote(database, lease, "nobody")


async def test_rollback_goes_back_step_by_step(database: Database, lease: Lease) -> None:
    for digest in ("first", "second"):
        await add_candidate(database, lease, digest)
        await promote(database, lease, digest)
    assert (await rollback(database, lease)).digest == "first"
    assert (await rollback(database, lease)).digest == BASE
    with pytest.raises(NothingToRollBackTo):
        await rollback(database, lease)
    assert await states(database) == {BASE: "current", "first": "retired", "second": "retired"}
    event = (await events(database))[-1]
    assert (event.event, event.digest, event.previous_digest) == ("rolled_back", BASE, "first")
    assert event.reason == "worse"


async def test_retired_version_can_be_promoted_again(database: Database, lease: Lease) -> None:
    await add_candidate(database, lease, "new")
    await promote(database, lease, "new")
    await promote(database, lease, BASE)
    assert await states(database) == {BASE: "current", "new": "retired"}


async def test_rejected_version_is_never_promoted(database: Database, lease: Lease) -> None:
    await add_candidate(database, lease, "bad")
    async with database.sessions.begin() as session:
        await versions.reject(session, "bad", verdict=FAILED, lease=lease, actor="test", now=NOON)
    with pytest.raises(VersionNotPromotable):
        await promote(database, lease, "bad")
    assert (await events(database))[-1].event == "rejected"


async def test_rejected_version_is_not_rolled_back_to(database: Database, lease: Lease) -> None:
    await add_candidate(database, lease, "new")
    await promote(database, lease, "new")
    async with database.sessions.begin() as session:
        await versions.reject(session, BASE, verdict=None, lease=lease, actor="test", now=NOON)
    with pytest.raises(VersionNotPromotable, match="is rejected"):
        await rollback(database, lease)
    assert await states(database) == {BASE: "rejected", "new": "current"}


async def test_current_version_is_not_rejected(database: Database, lease: Lease) -> None:
    with pytest.raises(VersionNotPromotable):
        async with database.sessions.begin() as session:
            await versions.reject(session, BASE, verdict=None, lease=lease, actor="test", now=NOON)


async def test_version_is_found_by_a_prefix_that_is_its_own(
    database: Database, lease: Lease
) -> None:
    for digest in ("abc1", "abc2", "abc"):
        await add_candidate(database, lease, digest)
    async with database.readers() as session:
        assert (await versions.version(session, "abc1")).digest == "abc1"
        assert (await versions.version(session, "abc")).digest == "abc"
        assert (await versions.version(session, "base")).digest == BASE
        for ambiguous in ("ab", "", "%", "abc_"):
            with pytest.raises(VersionUnknown):
                await versions.version(session, ambiguous)


async def test_database_itself_refuses_two_current_versions(
    database: Database, lease: Lease
) -> None:
    assert lease.holder == "test"
    with pytest.raises(IntegrityError):
        async with database.sessions.begin() as session:
            session.add(
                ModelVersionRow(
                    digest="two", uri="", state="current", created_at=NOON, figures={}, report={}
                )
            )
