"""What tells the SDK in a replica to send its traces to the emulator that runs it."""

from collections.abc import Mapping
from typing import Final

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"


def telemetry_environment(base_url: str) -> Mapping[str, str]:
    """Spans are sent half a second after they ended, so that whoever looks at once finds them."""
    return {
        ENDPOINT: base_url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }
