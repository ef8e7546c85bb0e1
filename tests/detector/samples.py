"""The golden samples: where they are, and what of a notice their expected .json holds."""

from __future__ import annotations

import json
from pathlib import Path

from cleanup.model import Notice

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data" / "notices"

Expected = dict[str, object]


def sample_paths() -> list[Path]:
    """Return the .eml files, sorted."""
    return sorted(SAMPLES.glob("*.eml"))


def expected_of(sample: Path) -> Expected:
    """Return what is to be read from a sample."""
    read: Expected = json.loads(sample.with_suffix(".json").read_text(encoding="utf-8"))
    return read


def told(notice: Notice | None) -> Expected:
    """Return of a notice what the expected .json holds: which reader answered, and what it found."""
    if notice is None:
        return {"format": None, "kind": "ordinary"}
    returned = notice.returned[0]
    return {
        "format": notice.format,
        "kind": notice.kind.value,
        "action": notice.action.value if notice.action else None,
        "recipients": sorted(r.address for r in notice.recipients),
        "status": notice.status,
        "cause": notice.cause.value,
        "original_message_id": returned.message_id,
        "original_subject": returned.subject,
        "returned": returned.extent.value,
    }


def as_text(expected: Expected) -> str:
    """Return the text of an expected .json file."""
    return json.dumps(expected, ensure_ascii=False, indent=2) + "\n"
