"""Content by its SHA-256, in a local folder or an S3 bucket: written whole or not at all, never changed."""

import hashlib
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote, urlsplit
from uuid import UUID

from observe import tracing
from shared.contracts.payload import ObjectRef
from shared.errors import InvalidInput, Permanent, Transient, Unavailable
from shared.events.ids import derived_id

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import LocalStore, S3Store

    Backend: TypeAlias = LocalStore | S3Store

_KEY = re.compile(r"corpora/[0-9a-z-]{1,64}/[a-z]{1,32}/[0-9a-f]{64}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PREFIX = re.compile(r"(corpora/([0-9a-z-]{1,64}/([a-z]{1,32}/)?)?)?")
# Whoever calls has retries of its own; these bridge one lost connection.
_RETRIES: dict[str, Any] = {"max_retries": 2, "retry_timeout": timedelta(seconds=30)}
_AWS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ALLOW_HTTP",
)


class ObjectStore:
    """Keys are `corpora/<corpus>/<kind>/<sha256>`: the same content in a corpus is the same object."""

    def __init__(self, backend: "Backend") -> None:
        self._backend = backend

    @classmethod
    def open(cls, url: str, env: Mapping[str, str]) -> "ObjectStore":
        """`file:///folder` or `s3://bucket/prefix`, the latter with the AWS_* variables of `env`."""
        parts = urlsplit(url)
        if parts.scheme == "file" and parts.path:
            return cls(_local(unquote(parts.path)))
        if parts.scheme == "s3" and parts.netloc:
            return cls(_s3(parts.netloc, parts.path.strip("/"), env))
        raise InvalidInput(
            "setting_invalid", "OBJECT_STORE_URL must be file:///folder or s3://bucket/prefix", field="OBJECT_STORE_URL"
        )

    async def put(self, corpus_id: UUID | str, kind: str, content: bytes) -> ObjectRef:
        """Stores under the content's hash. Storing the same again, even at the same moment, changes nothing."""
        sha256 = hashlib.sha256(content).hexdigest()
        key = _checked(f"corpora/{corpus_id}/{kind}/{sha256}")
        try:
            with tracing.span("object put", {"http.response.body.size": len(content)}, kind="client"):
                await self._backend.put_async(key, content)
        except Exception as exc:
            raise _unavailable() from exc
        return ObjectRef(key=key, sha256=sha256, size_bytes=len(content))

    async def get(self, ref: ObjectRef) -> bytes:
        """Raises `Permanent` object_missing, `Transient` object_corrupt: it may have been cut off on its way only, and
        `Unavailable` when the store does not answer."""
        try:
            with tracing.span("object get", kind="client"):
                result = await self._backend.get_async(_checked(ref.key))
                content = bytes(await result.bytes_async())
        except FileNotFoundError:
            raise Permanent(
                "object_missing", "the stored content is gone; the document must be fetched again"
            ) from None
        except InvalidInput:
            raise
        except Exception as exc:
            raise _unavailable() from exc
        if hashlib.sha256(content).hexdigest() != ref.sha256:
            raise Transient("object_corrupt", "the stored content is not what was written")
        return content

    async def delete(self, keys: Iterable[str]) -> None:
        """Keys that are already gone are fine."""
        for key in keys:
            try:
                await self._backend.delete_async(_checked(key))
            except FileNotFoundError:
                continue
            except InvalidInput:
                raise
            except Exception as exc:
                raise _unavailable() from exc

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        """Keys under `corpora/`, `corpora/<corpus>/` or `corpora/<corpus>/<kind>/`, in no order."""
        async for entry in self._entries(prefix):
            yield entry["path"]

    async def older(self, prefix: str, before: datetime) -> AsyncIterator[str]:
        """Like `list`, what was last stored before that moment."""
        async for entry in self._entries(prefix):
            if entry["last_modified"] < before:
                yield entry["path"]

    async def corpora(self) -> tuple[UUID, ...]:
        """Those that have objects, and where submitted lists lie."""
        try:
            found = await self._backend.list_with_delimiter_async("corpora")
        except Exception as exc:
            raise _unavailable() from exc
        names = (folder.rpartition("/")[2] for folder in found["common_prefixes"])
        return tuple(UUID(name) for name in names if _UUID.fullmatch(name))

    async def describe(self, key: str) -> ObjectRef | None:
        """What is stored under a key; None when nothing is."""
        try:
            found = await self._backend.head_async(_checked(key))
        except (FileNotFoundError, InvalidInput):
            return None
        except Exception as exc:
            raise _unavailable() from exc
        return ObjectRef(key=key, sha256=key.rpartition("/")[2], size_bytes=found["size"])

    async def stored_at(self, key: str) -> datetime | None:
        """When it was last stored; None when it is not there."""
        try:
            return (await self._backend.head_async(_checked(key)))["last_modified"]
        except FileNotFoundError:
            return None
        except InvalidInput:
            raise
        except Exception as exc:
            raise _unavailable() from exc

    async def _entries(self, prefix: str) -> "AsyncIterator[ObjectMeta]":
        if not _PREFIX.fullmatch(prefix):
            raise _bad_key()
        try:
            async for batch in self._backend.list(prefix or None):
                for entry in batch:
                    yield entry
        except Exception as exc:
            raise _unavailable() from exc


def submission_folder(caller_id: str, job_id: UUID) -> str:
    """Where what a caller handed in for a job lies until its corpus has it: no corpus, and nobody else's."""
    return derived_id("submissions", caller_id, str(job_id))


def _local(folder: str) -> "LocalStore":
    from obstore.store import LocalStore  # noqa: PLC0415

    Path(folder).mkdir(parents=True, exist_ok=True)
    return LocalStore(folder)


def _s3(bucket: str, prefix: str, env: Mapping[str, str]) -> "S3Store":
    from obstore.store import S3Store  # noqa: PLC0415

    config: dict[str, Any] = {name.lower(): env[name] for name in _AWS if env.get(name)}
    if config.get("aws_endpoint_url", "").startswith("http:"):
        config["aws_allow_http"] = "true"
    return S3Store(bucket, prefix=prefix or None, config=config, retry_config=_RETRIES)  # type: ignore[arg-type]


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise _bad_key()
    return key


def _bad_key() -> InvalidInput:
    return InvalidInput("object_key_invalid", "this is not the key of a stored object", field="key")


def _unavailable() -> Unavailable:
    return Unavailable("object_store_unavailable", "the object store does not answer")
