"""What every event's data has in common."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ErrorCode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Sentence = Annotated[str, Field(max_length=500)]


class Contract(BaseModel):
    """Frozen, and strict about names: an unknown field is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Payload(Contract):
    """The data of one event type. Versions are part of the type: `dev.sluice.<noun>.<verb>.v<n>`."""

    event_type: ClassVar[str]

    def subject(self) -> str | None:
        """The document, else the job, that the event speaks of."""
        return None

    def extensions(self) -> dict[str, str]:
        """CloudEvents attributes beside the standard ones, for filters and routing."""
        return {}


class JobPayload(Payload):
    """Speaks of one job."""

    job_id: UUID

    def subject(self) -> str | None:
        return str(self.job_id)

    def extensions(self) -> dict[str, str]:
        return {"jobid": str(self.job_id)}


class DocumentPayload(JobPayload):
    """Speaks of one document under the claim that `token` fences: an older token's result changes nothing."""

    document_id: UUID
    token: Annotated[int, Field(ge=0)]

    def subject(self) -> str | None:
        return str(self.document_id)

    def extensions(self) -> dict[str, str]:
        return {"jobid": str(self.job_id), "token": str(self.token)}


class ObjectRef(Contract):
    """Content in the object store, by its SHA-256: an event carries the reference, never the content."""

    key: Annotated[str, Field(min_length=1, max_length=512)]
    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=0)]
