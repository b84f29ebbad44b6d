"""Values that several answers of the program hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Check:
    """One named check of a report or receipt."""

    name: str
    outcome: Literal["pass", "warn", "fail"]
    detail: str


@dataclass(frozen=True)
class Report:
    """What was checked of a manifest and its file."""

    ok: bool
    #: None where there is no valid manifest.
    swarm_id: str | None
    checks: tuple[Check, ...]

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Report:
        """The program's report object."""
        checks = tuple(Check(each["name"], each["outcome"], each["detail"]) for each in told["checks"])
        return cls(told["ok"], told["swarm_id"], checks)


@dataclass(frozen=True)
class Publisher:
    """How the key that signed a manifest stands to the known keys of its publisher (docs/publishers.md)."""

    id: str
    #: None if the manifest is not signed.
    key: str | None
    standing: Literal["new", "known", "unsigned", "changed", "signature-missing", "pin-mismatch"]
    #: The one key that the user accepts of this publisher.
    pinned: str | None

    @classmethod
    def from_json(cls, told: Mapping[str, Any] | None) -> Publisher | None:
        """The publisher of an event (where the id is `publisher`) or of an entry (`id`)."""
        if told is None:
            return None
        return cls(
            told["publisher"] if "publisher" in told else told["id"],
            told["key"],
            told["standing"],
            told["pinned"],
        )


@dataclass(frozen=True)
class Supply:
    """What one peer supplied of a file."""

    peer: str
    #: Proven bytes and chunks.
    bytes: int
    chunks: int
    #: Why the peer was rejected, if it was.
    rejected: str | None
