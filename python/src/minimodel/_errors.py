"""Exceptions: one class for each exit code of the program (docs/cli.md, "Exit codes")."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._types import Report


class MinimodelError(Exception):
    """A failure as the program tells it; only its subclasses are raised."""

    #: The program's exit code; of a program that a signal ended, minus the signal's number.
    code: int = 1
    #: True if the same call can resume what was begun.
    is_resumable: bool = False

    def __init__(self, error: str, cause: str | None = None, hint: str | None = None) -> None:
        super().__init__(error, cause, hint)
        #: What failed, and for which object.
        self.error = error
        #: Why, where more is known.
        self.cause = cause
        #: The next step. Flags of the command line are arguments here, with `_` for `-`; `--out` is `local_dir`.
        self.hint = hint
        #: Every check that was made, where the program answered with a report.
        self.report: Report | None = None
        #: What the program wrote for people, warnings among it; not meant to be parsed.
        self.stderr = ""

    def __str__(self) -> str:
        lines = [self.error]
        if self.cause:
            lines.append(f"cause: {self.cause}")
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class UnexpectedError(MinimodelError):
    """A fault of the program or its environment."""

    code = 1


class BinaryError(UnexpectedError):
    """The program is not there, cannot be started, or is of another version than this package."""


class UsageError(MinimodelError, ValueError):
    """The program does not understand an argument, or what it asks for cannot be."""

    code = 2


class NotFoundError(MinimodelError):
    """No usable peer, or an input file or library entry that is not there."""

    code = 3


class VerificationError(MinimodelError):
    """The bytes are not what the manifest says."""

    code = 4


class ConsentError(MinimodelError):
    """A consent is missing. Nothing was dialed or written."""

    code = 5


class MismatchError(MinimodelError):
    """License or evidence differ, or the manifest is not signed as is known of its publisher or as was demanded."""

    code = 6


class StoppedError(MinimodelError):
    """Stopped or stalled."""

    code = 7
    is_resumable = True


class ProtocolError(MinimodelError):
    """A peer speaks another protocol or version."""

    code = 8


class DiskFullError(MinimodelError):
    """The disk is full. What is there stays."""

    code = 9
    is_resumable = True


class InvalidError(MinimodelError):
    """A manifest, offer, receipt or record is not valid."""

    code = 10


class BusyError(MinimodelError):
    """Another process holds this target."""

    code = 11


class QuotaError(MinimodelError):
    """A quota or the rule of a rate is reached."""

    code = 12
    is_resumable = True


class FileAccessError(MinimodelError):
    """A file cannot be read or written, or an output is there already."""

    code = 13


class InterruptedRunError(MinimodelError):
    """SIGINT ended the program. Ctrl-C in Python is a `KeyboardInterrupt`, not this."""

    code = 130
    is_resumable = True


class TerminatedError(MinimodelError):
    """SIGTERM ended the program."""

    code = 143
    is_resumable = True


_CLASSES = (
    UnexpectedError,
    UsageError,
    NotFoundError,
    VerificationError,
    ConsentError,
    MismatchError,
    StoppedError,
    ProtocolError,
    DiskFullError,
    InvalidError,
    BusyError,
    QuotaError,
    FileAccessError,
    InterruptedRunError,
    TerminatedError,
)
BY_CODE: dict[int, type[MinimodelError]] = {each.code: each for each in _CLASSES}


def of_code(code: int, error: str, cause: str | None = None, hint: str | None = None) -> MinimodelError:
    """The exception for an exit code; an unknown code is an :class:`UnexpectedError` that carries it."""
    failure = BY_CODE.get(code, UnexpectedError)(error, cause, hint)
    failure.code = code
    return failure
