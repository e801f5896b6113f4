"""What the developer of a function has beyond what a cluster has."""

from dataclasses import dataclass
from pathlib import Path

from emulator.faults.faults import Faults
from emulator.recording.known import KnownSecrets
from emulator.recording.recorder import Recorder


@dataclass(frozen=True)
class Development:
    faults: Faults
    recorder: Recorder

    @classmethod
    def under(cls, data_dir: Path) -> "Development":
        return cls(Faults(), Recorder(data_dir / "recordings", KnownSecrets(data_dir)))
