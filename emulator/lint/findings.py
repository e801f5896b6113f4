"""What the rules say."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence about one field; `subject` is the function or object that it belongs to."""

    file: str
    subject: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """An error: a cluster refuses this, or it can never work there. A warning: it may not do what was meant."""

    code: str
    severity: Severity
    said: Said

    def as_json(self) -> Mapping[str, str]:
        return {"code": self.code, "severity": self.severity, **asdict(self.said)}

    def as_text(self) -> str:
        said = self.said
        about = f" ({said.subject})" if said.subject else ""
        return f"{said.file}: {said.field or 'file'}: {self.severity}: {said.message}{about} [{self.code}]"
