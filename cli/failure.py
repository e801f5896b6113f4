"""Why a command ends without having done what was asked."""


class CommandFailed(Exception):
    """The text says what is wrong and what to do next."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
