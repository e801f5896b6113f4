"""What the emulator is told: which manifests, which port, where its files go."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from emulator.cold_starts import How
from emulator.openfaas.community import Edition
from emulator.telemetry.bounds import TRACES_FILE, Bounds
from shared.settings import Environment

DEFAULT_PORT = 8080
DEFAULT_IDLE_S = 30.0


@dataclass(frozen=True)
class EmulatorSettings:
    """`extra_env` is given to every replica, over what stack.yml says. Secrets are files in `secrets_dir`.

    With `observe` it takes the traces of whatever it runs, and keeps them within `traces`.
    When it stops, requests may take `drain_s` to end, and processes `grace_s` after SIGTERM.
    """

    stack_file: Path
    data_dir: Path
    classes_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    extra_env: Mapping[str, str] = field(default_factory=dict)
    redis_url: str | None = None
    idle_s: float = DEFAULT_IDLE_S
    start_timeout_s: float = 60.0
    grace_s: float = 10.0
    drain_s: float = 10.0
    basic_auth: bool = True
    edition: Edition = "pro"
    cold_start: How = "exec"
    reload: bool = False
    observe: bool = False
    traces: Bounds = field(default_factory=Bounds)

    @property
    def secrets_dir(self) -> Path:
        return self.data_dir / "secrets"

    @property
    def logs_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def traces_file(self) -> Path:
        return self.data_dir / TRACES_FILE

    @property
    def manifest_files(self) -> tuple[Path, ...]:
        return (self.stack_file, *((self.classes_file,) if self.classes_file is not None else ()))

    @property
    def base_url(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def at_port(self, port: int) -> "EmulatorSettings":
        """With the port that port 0 turned out to be."""
        return replace(self, port=port)

    @classmethod
    def read(
        cls, env: Environment, *, stack_file: Path, data_dir: Path, port: int = DEFAULT_PORT
    ) -> "EmulatorSettings":
        """`SLUICE_IDLE_SECONDS`: how long a function without a label of its own stays up without requests."""
        classes_file = stack_file.with_name("resource-classes.yml")
        return cls(
            stack_file=stack_file,
            data_dir=data_dir,
            classes_file=classes_file if classes_file.exists() else None,
            port=port,
            idle_s=env.number("SLUICE_IDLE_SECONDS", DEFAULT_IDLE_S),
            grace_s=env.number("SLUICE_GRACE_SECONDS", 10.0),
            basic_auth=env.flag("SLUICE_BASIC_AUTH", default=True),
            traces=Bounds.read(env),
        )
