"""What one try took, as the stages report it."""

from typing import Annotated

from pydantic import Field

from shared.contracts.payload import Contract, DocumentPayload

Amount = Annotated[int, Field(ge=0, le=2**53)]


class Spent(Contract):
    """Whether the try succeeded or not.

    `fetched_bytes` as they came over the wire, `decoded_bytes` when unpacked. `embedded_tokens` were sent to the
    embedder, those of its retries included; `embed_requests` are this document's shares of requests, by tokens.
    """

    fetched_bytes: Amount = 0
    decoded_bytes: Amount = 0
    embedded_tokens: Amount = 0
    embed_requests: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0
    cpu_s: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0


class StageReport(DocumentPayload):
    """How a stage's try at a document ended. `spent` is absent where nobody counted: old versions, outside workers."""

    spent: Spent | None = None
