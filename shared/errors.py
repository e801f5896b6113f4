"""What can go wrong, in words of the domain: a code, a sentence for whoever must act, and whether a retry can help.

No transport appears here. Each edge owns one table from these classes to its own protocol.
"""

from typing import ClassVar


class SluiceError(Exception):
    """`code` is a stable word, `field` names the input at fault, `retry_after_s` is a wait that was asked for."""

    retryable: ClassVar[bool] = False

    def __init__(
        self, code: str, message: str, *, field: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s


class InvalidInput(SluiceError):
    """The caller must change what it sent."""


class TooLarge(InvalidInput):
    """The input is over a stated bound."""


class Unauthenticated(SluiceError):
    """No key, a key nobody knows, or a signature that does not hold."""


class PermissionDenied(SluiceError):
    """A known caller may not do this."""


class NotFound(SluiceError):
    """No such thing, or none that this caller may see."""


class Conflict(SluiceError):
    """The request contradicts what is already there."""


class Overloaded(SluiceError):
    """Too much work is waiting; come back after `retry_after_s`."""

    retryable = True


class Unavailable(SluiceError):
    """Something we depend on is down or slow."""

    retryable = True


class DeadlineExceeded(SluiceError):
    """The time given for this call is over."""

    retryable = True


class StageFailure(SluiceError):
    """A document could not pass a stage. The subclasses are the three kinds of failure."""


class Transient(StageFailure):
    """May pass later: retried with back-off, within the failure budget."""

    retryable = True


class Permanent(StageFailure):
    """Will never pass as it is: the document fails at once."""


class Interrupted(StageFailure):
    """The worker was stopped or died: tried again, free of charge."""

    retryable = True
