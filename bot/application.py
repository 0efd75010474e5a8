"""The composition root: what the bot is made of, in which order it starts, and how it stops."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy.exc import SQLAlchemyError
from telegram import BotCommand, BotCommandScopeChat, BotCommandScopeDefault, Update
from telegram.constants import ChatType
from telegram.error import Conflict, InvalidToken, NetworkError, RetryAfter, TelegramError
from telegram.ext import Application, CommandHandler, ContextTypes, filters

from bot import replies
from bot.connection import build_bot
from bot.context import Context, FeelbackApplication, FeelbackBot, Services
from bot.errors import AnotherInstance, BotError, TelegramUnreachable, TokenRefused
from bot.handlers import register as register_handlers
from bot.health import beat
from bot.inbox import InboxQueue
from bot.processing import Fate, InboxProcessor, fate_of
from bot.review_cards import CardRemover
from bot.serving import ModelWatcher, engine_loader, load_current, register_shipped
from bot.settings import Settings
from bot.stopping import Stopping
from bot.texts import Catalogue
from store import inbox
from store.engine import open_database, truncate_log
from store.schema import check_schema

ALLOWED_UPDATES = (
    "message",
    "edited_message",
    "callback_query",
    "message_reaction",
    "my_chat_member",
)

START_RETRIES = 5
FIRST_PAUSE_S = 1.0
# Telegram repeats an update for a day; twice that leaves room for clocks.
KEPT_FINISHED = timedelta(days=2)
PURGE_EVERY = timedelta(hours=1)

Register = Callable[[FeelbackApplication], None]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def build_application(
    services: Services,
    bot: FeelbackBot,
    stopping: Stopping,
    register: Register = register_handlers,
) -> FeelbackApplication:
    """Return the application with its inbox and all handlers, not yet started."""
    settings = services.settings
    queue = InboxQueue(
        services.database,
        bot,
        stopping,
        capacity=settings.concurrency,
        lease=timedelta(seconds=settings.lease_seconds),
        max_attempts=settings.max_attempts,
        deadline=timedelta(seconds=settings.put_deadline_seconds),
    )
    processor = InboxProcessor(
        queue, capacity=settings.concurrency, apologise=_apologiser(bot, services.catalogue)
    )
    application = cast(
        FeelbackApplication,
        Application.builder()
        .bot(bot)
        .update_queue(queue)
        .concurrent_updates(processor)
        .context_types(ContextTypes(context=Context))
        .job_queue(None)
        .build(),
    )
    application.bot_data = services
    register(application)
    admins = filters.User(settings.admin_ids) & filters.ChatType.PRIVATE
    application.add_handler(CommandHandler("start", _offer_to_admin, admins), group=1)
    application.add_error_handler(note_failure)
    return application


async def note_failure(_update: object, context: Context) -> None:
    """Log what a handler raised, and note it on the update, whose row is put back or parked."""
    error = context.error
    inbox_id = None if context.work is None else context.work.claim.inbox_id
    if error is None:
        return
    fate = fate_of(error)
    if fate is Fate.RETRY or fate is Fate.PARK:
        log.error("handler failed", inbox_id=inbox_id, exc_info=error)
    else:
        log.warning("handler failed", inbox_id=inbox_id, error=type(error).__name__)
    if context.work is not None:
        context.work.failed(error)


async def serve(
    services: Services,
    stopping: Stopping,
    *,
    register: Register = register_handlers,
    watcher: ModelWatcher | None = None,
    started: Callable[[FeelbackApplication], None] | None = None,
) -> None:
    """Run the bot until it is asked to stop; what is in hand then is finished or put back.

    Raises:
        BotError: it could not start, or had to stop.
    """
    settings = services.settings
    bot = build_bot(settings, stopping, on_answer=lambda: beat(settings.heartbeat))
    application = build_application(services, bot, stopping, register)
    background: list[asyncio.Task[None]] = []
    try:
        await _connect(application.initialize, stopping)
        if not stopping.requested:
            await _offer_commands(bot, services)
            await application.start()
            await _connect(lambda: _start_polling(application, stopping), stopping)
            chores: list[Coroutine[Any, Any, None]] = [
                _purge(services, stopping),
                CardRemover(bot, services).run(stopping),
            ]
            if watcher is not None:
                chores.append(watcher.run(stopping))
            background += [asyncio.create_task(_watched(chore, stopping)) for chore in chores]
            beat(settings.heartbeat)
            log.info("ready", bot=bot.username, model=services.recognizer.version)
            if started is not None:
                started(application)
            await stopping.wait()
    finally:
        stopping.request()
        await _stop(application, settings)
        # They end by themselves: cancelled in a transaction, they would leave a connection behind.
        await asyncio.gather(*background)
    if stopping.reason is not None:
        raise stopping.reason


@contextlib.asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[tuple[Services, ModelWatcher]]:
    """Open the database and load the current model version; close both at the end.

    Raises:
        StoreError: the database cannot be opened, or is of another revision.
        ModelUnavailable: the current model version cannot serve.
    """
    database = open_database(settings.database_url, pool_size=settings.concurrency + 4)
    try:
        await check_schema(database)
        await truncate_log(database)  # a crash may have come between erasing and this
        await register_shipped(database)
        load = engine_loader(settings)
        engine = await load_current(database, load)
        from fer_model.recognizer import InProcessRecognizer

        recognizer = InProcessRecognizer(engine)
        try:
            yield (
                Services(settings, database, recognizer, Catalogue.load()),
                ModelWatcher(
                    database, recognizer, load, timedelta(seconds=settings.model_poll_seconds)
                ),
            )
        finally:
            await recognizer.close()
    finally:
        await database.close()


async def check_token(settings: Settings) -> str:
    """Return the bot's username.

    Raises:
        TokenRefused, TelegramUnreachable: the token is wrong, or nobody answers.
    """
    bot = build_bot(settings, Stopping())
    try:
        await bot.initialize()
    except InvalidToken as error:
        raise TokenRefused from error
    except NetworkError as error:
        raise TelegramUnreachable(error.message) from error
    else:
        return bot.username
    finally:
        await bot.shutdown()


async def _connect(action: Callable[[], Coroutine[Any, Any, Any]], stopping: Stopping) -> None:
    """Do what needs Telegram, a few times if it has to be."""
    pause = FIRST_PAUSE_S
    for left in reversed(range(START_RETRIES)):
        try:
            await action()
        except InvalidToken as error:
            raise TokenRefused from error
        except Conflict as error:
            raise AnotherInstance(error.message) from error
        except (NetworkError, RetryAfter) as error:
            if not left:
                raise TelegramUnreachable(error.message) from error
            log.warning("Telegram away", reason=error.message, again_in_s=pause)
        else:
            return
        if await stopping.within(pause):
            return
        pause *= 2


async def _start_polling(application: FeelbackApplication, stopping: Stopping) -> None:
    def on_error(error: TelegramError) -> None:
        if isinstance(error, Conflict):
            stopping.request(AnotherInstance(error.message))
        else:
            log.warning("polling failed", error=type(error).__name__, reason=error.message)

    updater = application.updater
    if updater is None:
        raise TypeError("the application was built without an updater")
    await updater.start_polling(allowed_updates=ALLOWED_UPDATES, error_callback=on_error)


async def _offer_commands(bot: FeelbackBot, services: Services) -> None:
    """Tell Telegram which commands to offer to everybody, and to each admin."""
    await _offer(bot, services, BotCommandScopeDefault(), admin=False)
    for admin in services.settings.admin_ids:
        await _offer(bot, services, BotCommandScopeChat(admin), admin=True)


async def _offer_to_admin(update: Update, context: Context) -> None:
    """The menu of an admin who starts the bot: before that they had no chat to offer it in."""
    if update.effective_user is not None:
        scope = BotCommandScopeChat(update.effective_user.id)
        await _offer(context.bot, context.services, scope, admin=True)


async def _offer(
    bot: FeelbackBot,
    services: Services,
    scope: BotCommandScopeDefault | BotCommandScopeChat,
    *,
    admin: bool,
) -> None:
    """Offer the commands in every language; a failure is no reason to stop."""
    languages = services.settings.languages
    # The first language stands for every one that has no menu of its own.
    for code, language in ((None, languages[0]), *((one, one) for one in languages[1:])):
        offered = replies.commands(services.catalogue.texts(language), admin=admin)
        commands: Sequence[BotCommand] = [BotCommand(*command) for command in offered]
        try:
            await bot.set_my_commands(commands, scope=scope, language_code=code)
        except TelegramError as error:
            log.warning("no menu of commands", scope=scope.type, reason=error.message)
            return


def _apologiser(
    bot: FeelbackBot, catalogue: Catalogue
) -> Callable[[Update], Coroutine[Any, Any, None]]:
    async def apologise(update: Update) -> None:
        chat, person = update.effective_chat, update.effective_user
        # In a group nobody may have talked to the bot.
        if chat is None or person is None or chat.type != ChatType.PRIVATE:
            return
        reply = replies.apology(catalogue.texts(person.language_code))
        await bot.send_message(chat.id, reply.text, parse_mode=replies.PARSE_MODE)

    return apologise


async def _watched(chore: Coroutine[Any, Any, None], stopping: Stopping) -> None:
    """Run a chore; one that breaks stops the process instead of ending quietly."""
    try:
        await chore
    except Exception as error:
        log.exception("background work broke")
        stopping.request(BotError(f"Background work broke: {type(error).__name__}; see the log"))


async def _purge(services: Services, stopping: Stopping) -> None:
    while not stopping.requested:
        try:
            async with services.database.sessions.begin() as session:
                await inbox.purge_finished(session, before=datetime.now(UTC) - KEPT_FINISHED)
        except (SQLAlchemyError, OSError) as error:
            log.warning("inbox not purged", error=type(error).__name__)
        await stopping.within(PURGE_EVERY.total_seconds())


async def _stop(application: FeelbackApplication, settings: Settings) -> None:
    """Stop polling, let what is in hand finish, and close the connections."""
    queue, processor = application.update_queue, application.update_processor
    if isinstance(queue, InboxQueue):
        queue.stop_claiming()
    if application.updater is not None and application.updater.running:
        with contextlib.suppress(BotError):  # why polling ended, and why we are here
            await application.updater.stop()
    if application.running:
        if isinstance(processor, InboxProcessor):
            interrupted = await processor.drain(settings.drain_seconds)
            if interrupted:
                log.warning("interrupted", updates=interrupted)
        await application.stop()
    await application.shutdown()
    # The application does not, where it could not be initialised.
    await application.bot.shutdown()
    if isinstance(queue, InboxQueue):
        await queue.settle()
    log.info("stopped")
