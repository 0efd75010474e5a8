"""Who is there, and in which language they are answered."""

from sqlalchemy.ext.asyncio import AsyncSession
from telegram import User

from bot.context import Context
from bot.texts import Texts
from store import people
from store.records import Person

LONGEST_LANGUAGE = 16  # characters that are kept of a language's code


async def meet(session: AsyncSession, user: User) -> Person:
    """Return the person, written down if they are new; the language follows their app."""
    language = user.language_code[:LONGEST_LANGUAGE] if user.language_code else None
    person = await people.see_person(session, user.id, language=language)
    if language is None or person.language == language:
        return person
    await people.set_language(session, user.id, language)
    return await people.see_person(session, user.id)


async def greet(context: Context, user: User) -> tuple[Person, Texts]:
    """Return the person and the words for them, in a transaction of its own."""
    async with context.services.database.sessions.begin() as session:
        person = await meet(session, user)
    return person, texts_for(context, person)


def texts_for(context: Context, person: Person) -> Texts:
    """Return the words in the person's language."""
    return context.services.catalogue.texts(person.language)
