"""Who may speak about which face."""

from store.engine import Database
from store.policy import Allowed, Refused, may_speak
from tests.store.rows import JUN, MINA, read, see


async def test_owner_may_speak_and_nobody_else(sqlite_database: Database) -> None:
    await see(sqlite_database, MINA, JUN)
    about = await read(sqlite_database, MINA)
    for thing in (about, about.faces[0]):
        assert may_speak(MINA, thing) == Allowed()
        assert may_speak(JUN, thing) == Refused("not_your_reading")
