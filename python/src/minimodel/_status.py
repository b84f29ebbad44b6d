"""`status`: what is shared and fetched by the companion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ._arguments import StrPath
from ._child import ask_one


@dataclass(frozen=True)
class Transfer:
    """A share or a fetch of the companion."""

    id: int
    kind: Literal["share", "fetch"]
    state: Literal["asking", "waiting", "preparing", "running", "paused", "done", "failed"]
    model_id: str
    model_version: str
    swarm_id: str
    path: Path
    total_bytes: int
    have_bytes: int
    received_bytes: int
    sent_bytes: int
    #: Bytes a second.
    down_rate: int
    up_rate: int
    #: Why no byte moves, if none does; a word of docs/cli.md, "Why nothing moves".
    cause: str | None
    #: The offer of a share.
    offer: str | None
    #: Everything that the program tells of it, as docs/openapi.json describes.
    told: Mapping[str, Any]

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Transfer:
        """A transfer of the program's status."""
        return cls(
            told["id"],
            told["kind"],
            told["state"],
            told["model_id"],
            told["model_version"],
            told["swarm_id"],
            Path(told["path"]),
            told["total_bytes"],
            told["have_bytes"],
            told["received_bytes"],
            told["sent_bytes"],
            told["down_rate"],
            told["up_rate"],
            told["cause"],
            told["offer"],
            told,
        )


@dataclass(frozen=True)
class Status:
    """The companion of this user."""

    #: False if no companion runs; its transfers are those that go on when it starts.
    is_running: bool
    #: The peer id of this user.
    peer: str | None
    transfers: tuple[Transfer, ...]
    #: Everything that the program tells, as docs/openapi.json describes.
    told: Mapping[str, Any]


def status(*, home: StrPath | None = None) -> Status:
    """What the companion shares and fetches, how fast, and why not; not `share` and `fetch` without one."""
    told = ask_one(["status"], home, "status")["status"]
    transfers = tuple(Transfer.from_json(each) for each in told["transfers"])
    return Status(told["pid"] != 0, told.get("peer"), transfers, told)
