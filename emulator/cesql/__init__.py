"""CloudEvents SQL 1.0: `parse` once, `evaluate` for every event. Follows the engine that Knative uses."""

from emulator.cesql.evaluation import Outcome as Outcome
from emulator.cesql.evaluation import evaluate as evaluate
from emulator.cesql.evaluation import is_boolean as is_boolean
from emulator.cesql.parser import Parsed as Parsed
from emulator.cesql.parser import parse as parse
