"""Symptoms that find what a test says, in place of the real ones."""

from types import MappingProxyType

from hubel.diagnosis.symptom import Sign, Symptom, Unknown, Well

WELL = Well(evidence="0.1 of 1")
UNKNOWN = Unknown(why="there is nothing to measure")


def sign(**changes):
    """Return an alarm."""
    return Sign(
        **{
            "what": "The learning rate is too high.",
            "evidence": "0.4 over 5 samples",
            "confidence": 0.9,
            "confirmed": True,
            **changes,
        }
    )


def symptom(name, find, severity="error"):
    """Return a symptom whose rule answers `find`, or calls it."""
    return Symptom(
        id=name, meaning=f"What {name} means.", tier=1, statistic="a / b", threshold="above 0.1",
        severity=severity, remedy=f"Mend {name}.", source="hubel",
        find=find if callable(find) else lambda case: find,
    )  # fmt: skip


def install(monkeypatch, *symptoms):
    """Put these symptoms in place of all others."""
    table = MappingProxyType({one.id: one for one in symptoms})
    for home in ("diagnosis.examination", "diagnosis.causes", "workflows.diagnose"):
        monkeypatch.setattr(f"hubel.{home}.SYMPTOMS", table)
