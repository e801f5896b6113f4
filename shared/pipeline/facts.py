"""What can happen to a document, and what it is known by when it does."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from shared.contracts.jobs import StageName
from shared.contracts.stages import FailedStage, FailureKind
from shared.pipeline.states import State


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a text becomes chunks with vectors. The same text and recipe give the same chunks."""

    chunker: str | None
    max_tokens: int
    overlap_tokens: int
    model: str


@dataclass(frozen=True, slots=True)
class Version:
    """What search sees of a URL."""

    text_sha256: str
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document, today's recipe of its corpus, and what search sees of its URL now."""

    state: State
    token: int
    not_before: datetime
    recipe: Recipe
    attempt: int = 0
    deaths: int = 0
    nudges: int = 0
    lease_until: datetime | None = None
    reported: bool = False
    error_stage: FailedStage | None = None
    text_sha256: str | None = None
    has_chunks: bool = False
    indexed: Version | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A worker took it."""

    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Released:
    """The worker gave it back unfinished."""

    token: int
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """The worker sent its result, and keeps the document until that arrives."""

    token: int


@dataclass(frozen=True, slots=True)
class Scraped:
    """`text_sha256` is None when the server said that nothing changed."""

    token: int
    text_sha256: str | None


@dataclass(frozen=True, slots=True)
class Chunked:
    token: int
    chunker: str


@dataclass(frozen=True, slots=True)
class Embedded:
    token: int


@dataclass(frozen=True, slots=True)
class Failed:
    token: int
    stage: FailedStage
    kind: FailureKind
    code: str
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class LeaseExpired:
    """Nobody renewed the lease: the worker died, or its result was lost."""


@dataclass(frozen=True, slots=True)
class Nudged:
    """It is time to ask for the chunks (again)."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller called its job off."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """Go again from a stage, or from where it failed."""

    from_stage: StageName | None = None


@dataclass(frozen=True, slots=True)
class Distrusted:
    """What was stored of it is gone or wrong: go again from the beginning."""


Result: TypeAlias = Scraped | Chunked | Embedded | Failed
DocumentFact: TypeAlias = (
    Claimed | Released | Reported | Result | LeaseExpired | Nudged | Cancelled | Replayed | Distrusted
)
