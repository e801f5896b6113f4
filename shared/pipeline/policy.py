"""How patient the pipeline is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """Waits are exponential with full jitter. Nudges repeat a `chunk.requested` that nobody answered."""

    max_attempts: int = 4
    retry_base_s: float = 2.0
    retry_cap_s: float = 300.0
    retry_after_cap_s: float = 3600.0
    max_deaths: int = 3
    max_nudges: int = 12
    nudge_base_s: float = 30.0
    nudge_cap_s: float = 600.0
    # A lease that ran out longer ago was watched by nobody: the platform was away, or its clock was set forward.
    unwatched_s: float = 600.0

    @classmethod
    def of(cls, max_attempts: int, lease_s: float) -> "Policy":
        """As patient with the chunk stage as with workers: after half a lease of silence it is asked again."""
        return cls(max_attempts=max_attempts, nudge_base_s=lease_s / 2)

    def retry_wait_s(self, attempt: int, jitter: float) -> float:
        """After the `attempt`-th failure; `jitter` in [0, 1)."""
        return jitter * min(self.retry_cap_s, self.retry_base_s * 2.0 ** min(attempt - 1, 30))

    def nudge_wait_s(self, nudges: int) -> float:
        """After the request that `nudges` others preceded."""
        return min(self.nudge_cap_s, self.nudge_base_s * 2.0 ** min(nudges, 30))

    def result_wait_s(self, nudges: int) -> float:
        """For a result that was sent, after `nudges` others were lost: two leases, then four, ..."""
        return self.nudge_wait_s(nudges + 2)


PATIENT = Policy()
