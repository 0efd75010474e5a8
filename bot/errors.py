"""Why the bot does not start, or stops; each text is one line that says what to do.

BotError
├── SettingsInvalid
├── TokenRefused
├── TelegramUnreachable
├── AnotherInstance
├── InboxUnavailable
├── ModelUnavailable
└── NotAlive
"""


class BotError(Exception):
    """Base of everything that ends the process on purpose, with exit code 1."""


class SettingsInvalid(BotError):
    """A setting is missing or wrong."""

    def __init__(self, variable: str, problem: str) -> None:
        self.variable = variable
        self.problem = problem
        super().__init__(f"{variable}: {problem}")


class TokenRefused(BotError):
    """Telegram does not know the token."""

    def __init__(self) -> None:
        super().__init__(
            "FEELBACK_TOKEN: Telegram refused it; copy the token again from @BotFather "
            "(it changes when it is revoked there)"
        )


class TelegramUnreachable(BotError):
    """The Bot API does not answer."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"Telegram cannot be reached ({reason}); check the network, and FEELBACK_BASE_URL "
            "if it is set"
        )


class AnotherInstance(BotError):
    """Somebody else polls with the same token (409)."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            "Another instance of this bot is running: Telegram lets only one poll with a token; "
            f"stop the other one, or use a token of its own ({reason})"
        )


class InboxUnavailable(BotError):
    """Updates can be neither written down nor claimed, so the process must not go on."""

    def __init__(self, database: str, reason: str) -> None:
        self.database = database
        self.reason = reason
        super().__init__(
            f"The inbox in {database} cannot be used ({reason}); start again when the database is "
            "back: Telegram keeps what was not confirmed"
        )


class ModelUnavailable(BotError):
    """The model version that should serve cannot be loaded."""

    def __init__(self, version: str, reason: str) -> None:
        self.version = version
        self.reason = reason
        super().__init__(f"Model version {version[:12]} cannot serve: {reason}")


class NotAlive(BotError):
    """The bot gave no sign of life lately."""
