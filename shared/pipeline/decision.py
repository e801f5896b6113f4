"""What is to be done about a fact."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import TypeAlias

from shared.contracts.stages import FailedStage, FailureKind
from shared.pipeline.states import State


class Effect(Enum):
    """What follows from a move, beside the document's own row."""

    REQUEST_CHUNKS = auto()
    WAKE_EMBED = auto()
    REFRESH_PAGE = auto()
    DISTRUST_PAGE = auto()
    WITHDRAW_PAGE = auto()
    ANNOUNCE = auto()


@dataclass(frozen=True, slots=True)
class Failure:
    """The diagnosis of one try."""

    stage: FailedStage
    kind: FailureKind
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Move:
    """The document's next row. `hold_domain_until`: its site asked everybody to wait."""

    state: State
    token: int
    attempt: int
    deaths: int
    nudges: int
    not_before: datetime
    lease_until: datetime | None = None
    reported: bool = False
    failure: Failure | None = None
    hold_domain_until: datetime | None = None
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """A duplicate, late or impossible fact changes nothing."""

    reason: str


Decision: TypeAlias = Move | Ignored
