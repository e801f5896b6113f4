"""What the developer of a function has beyond what a cluster has."""

from dataclasses import dataclass, field

from emulator.faults.faults import Faults


@dataclass(frozen=True)
class Development:
    faults: Faults = field(default_factory=Faults)
