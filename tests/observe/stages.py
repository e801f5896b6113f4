"""The stages of Alloy's `loki.process`, as far as ours have them, carried out as its reference describes."""

import json
import re
from dataclasses import dataclass, field

from tests.observe.alloy import Block

_CHOICE = re.compile(r"{{ if (.*) }}{{ \.Value }}{{ else }}(.*){{ end }}")


@dataclass
class Entry:
    """A line on its way to Loki."""

    line: str
    labels: dict[str, str]
    metadata: dict[str, str] = field(default_factory=dict)
    extracted: dict[str, str] = field(default_factory=dict)


def processed(entry: Entry, *processes: Block) -> Entry:
    """After one `loki.process` and the next. Each begins with the labels as all that it has extracted."""
    for process in processes:
        entry.extracted = dict(entry.labels)
        for stage in process.blocks:
            carry_out(stage, entry)
    return entry


def carry_out(stage: Block, entry: Entry) -> None:
    given, extracted = stage.attributes, entry.extracted
    source = extracted.get(given.get("source", ""), "") if "source" in given else entry.line
    match stage.name:
        case "stage.json":
            extracted |= _of_json(source, given["expressions"])
        case "stage.regex":
            if found := re.search(given["expression"], source):
                extracted |= {name: text for name, text in found.groupdict().items() if text is not None}
        case "stage.template":
            extracted[given["source"]] = _rendered(given["template"], source)
        case "stage.labels":
            entry.labels |= _taken(given["values"], extracted)
        case "stage.structured_metadata":
            entry.metadata |= _taken(given["values"], extracted)
        case "stage.label_drop":
            entry.labels = {name: value for name, value in entry.labels.items() if name not in given["values"]}
        case "stage.output":
            entry.line = source or entry.line
        case "stage.timestamp" | "stage.metrics":
            pass
        case other:
            raise AssertionError(f"nobody has said here what {other} does")


def _of_json(text: str, expressions: dict[str, str]) -> dict[str, str]:
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return {name: str(read[path]) for name, path in expressions.items() if isinstance(read, dict) and path in read}


def _taken(values: dict[str, str], extracted: dict[str, str]) -> dict[str, str]:
    return {name: extracted[of] for name, source in values.items() if (of := source or name) in extracted}


def _rendered(template: str, value: str) -> str:
    """Of Go's templates the one form that the configuration has."""
    choice = _CHOICE.fullmatch(template)
    assert choice is not None, template
    allowed = re.findall(r'\(eq \.Value "([^"]*)"\)', choice[1])
    return value if (value in allowed if allowed else value) else choice[2]
