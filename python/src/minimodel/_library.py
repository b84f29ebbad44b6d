"""`library` and `path`: the models of this user (docs/library.md)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ._arguments import StrPath
from ._child import Event, ask, ask_one
from ._types import Publisher


@dataclass(frozen=True)
class Entry:
    """One version of a model in the library."""

    id: int
    model_id: str
    model_version: str
    publisher_id: str
    publisher: Publisher | None
    swarm_id: str
    byte_count: int
    state: Literal["available", "downloading", "ready", "failed"]
    #: Why it is `failed`.
    reason: str | None
    path: Path | None
    receipt: Path | None
    #: True if the library keeps the file and may evict it; False if it is the user's own.
    cached: bool
    pinned: bool
    #: True if this version is the one that `path(model_id)` means.
    active: bool

    @classmethod
    def from_json(cls, told: Event) -> Entry:
        """The program's event `entry`."""
        return cls(
            told["id"],
            told["model_id"],
            told["model_version"],
            told["publisher_id"],
            Publisher.from_json(told["publisher"]),
            told["swarm_id"],
            told["byte_count"],
            told["state"],
            told["reason"],
            Path(told["path"]) if told["path"] is not None else None,
            Path(told["receipt"]) if told["receipt"] is not None else None,
            told["cached"],
            told["pinned"],
            told["active"],
        )


def library(*, home: StrPath | None = None) -> list[Entry]:
    """The models that this user has, wants or had, one version each."""
    return [Entry.from_json(event) for event in ask(["library", "list"], home) if event["event"] == "entry"]


def path(name: str, *, home: StrPath | None = None) -> Path:
    """Where the library's file of a model is. Nothing is fetched.

    `name` is a model id (its active version where there are several), `model-id@version`, the number of an entry, or
    the first eight or more digits of a swarm id. Raises `NotFoundError` if the library has no such entry or no file of
    it, and `UsageError` if the name fits several.
    """
    return Path(ask_one(["library", "path", "--", str(name)], home, "library-path")["path"])
