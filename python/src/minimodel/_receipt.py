"""`receipt`: what was checked of a file, and who supplied it (docs/receipt.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from . import _arguments as arguments
from ._arguments import StrPath
from ._child import ask_one
from ._errors import FileAccessError, InvalidError
from ._types import Check, Supply

_ENDING = ".receipt"
_SUM = "receipt.sha256=sha256:"


@dataclass(frozen=True)
class GivenConsent:
    """An action that the user agreed to."""

    action: str
    at_utc: str
    #: By which flag or prompt.
    by: str


@dataclass(frozen=True)
class Receipt:
    """A receipt whose every line was checked."""

    model_id: str
    model_version: str
    publisher_id: str
    #: `verified ed25519:...` or `unsigned`.
    signature: str
    swarm_id: str
    byte_count: int
    #: `sha256:` and 64 uppercase hex digits.
    sha256: str
    license_route: str
    lane: Literal["user-local-file", "user-external-download", "consent-peer-transfer"]
    started_utc: str
    finished_utc: str
    consents: tuple[GivenConsent, ...]
    peers: tuple[Supply, ...]
    checks: tuple[Check, ...]
    #: Every line, by its key.
    fields: Mapping[str, str]


def receipt(path: StrPath, *, home: StrPath | None = None) -> Receipt:
    """Reads a receipt: `path` is its own, or that of the model file that it is beside.

    Raises `InvalidError` if it is no receipt or any byte of it was changed.
    """
    named = arguments.file(path)
    if not named.endswith(_ENDING):
        named += _ENDING
    if ask_one(["inspect", named], home, "inspect")["kind"] != "receipt":
        raise InvalidError(f"{named} is not a receipt")
    try:
        written = Path(named).read_bytes()
    except OSError as error:
        raise FileAccessError(f"cannot read the receipt {named}", str(error)) from error
    return _parsed(_fields(named, written))


def _fields(named: str, written: bytes) -> dict[str, str]:
    """The lines. The program has checked each of them; the sum shows that these are the same bytes."""
    body, mark, found = written.rpartition(_SUM.encode("ascii"))
    expected = hashlib.sha256(body).hexdigest().upper().encode("ascii") + b"\n"
    if not mark or found != expected:
        raise InvalidError(f"the receipt {named} changed while it was read", None, "read it again")
    lines = [line.partition("=") for line in written.decode("ascii").splitlines()]
    return {key: value for key, _, value in lines}


def _parsed(fields: dict[str, str]) -> Receipt:
    def each(kind: str) -> list[dict[str, str]]:
        """The numbered lists, as `peer.0.id`, `peer.1.id`."""
        found: dict[str, dict[str, str]] = {}
        for key, value in fields.items():
            parts = key.split(".")
            if len(parts) == 3 and parts[0] == kind and parts[1].isdigit():
                found.setdefault(parts[1], {})[parts[2]] = value
        return list(found.values())

    def supply(peer: dict[str, str]) -> Supply:
        rejected = peer["rejected"]
        return Supply(peer["id"], int(peer["bytes"]), int(peer["chunks"]), None if rejected == "none" else rejected)

    def check(made: dict[str, str]) -> Check:
        return Check(made["name"], cast(Literal["pass", "warn"], made["outcome"]), made["detail"])

    return Receipt(
        fields["model.id"],
        fields["model.version"],
        fields["publisher.id"],
        fields["signature.status"],
        fields["swarm.id"],
        int(fields["artifact.byte_count"]),
        fields["artifact.sha256"],
        fields["license.route"],
        cast(
            Literal["user-local-file", "user-external-download", "consent-peer-transfer"],
            fields["import.lane"],
        ),
        fields["import.started_utc"],
        fields["import.finished_utc"],
        tuple(GivenConsent(given["action"], given["at"], given["by"]) for given in each("consent")),
        tuple(supply(peer) for peer in each("peer")),
        tuple(check(made) for made in each("check")),
        fields,
    )
