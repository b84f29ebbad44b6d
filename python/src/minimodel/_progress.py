"""Progress of a running program: one redrawn line in terminals and notebooks, a line every ten seconds elsewhere."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO, TypeAlias

from ._child import Event

#: Seconds between two lines where none can be redrawn.
_LINE_EVERY = 10.0

#: Width of the line in a notebook, in characters.
_NOTEBOOK_WIDTH = 100

_BAR_WIDTH = 24


@dataclass(frozen=True)
class Progress:
    """The state of the work at one moment. Bytes are proven bytes."""

    #: Name of the work: `fetch`, `check`.
    label: str
    proven_bytes: int
    total_bytes: int
    #: None while they are not known.
    bytes_per_second: int | None
    seconds_left: float | None
    #: Why no byte moves, if none does; a word of docs/cli.md, "Why nothing moves".
    idle: str | None


#: How progress is told: True draws it on `sys.stderr` (unless MINIMODEL_PROGRESS is `none`), False does not tell it,
#: and a function is called with each `Progress`.
Told: TypeAlias = bool | Callable[[Progress], object]


@contextlib.contextmanager
def shown(told: Told) -> Iterator[Callable[[Event], object] | None]:
    """A function that takes the program's events `progress`; None if nothing is to be told."""
    if callable(told):
        call = told
        yield lambda event: call(_progress(event))
        return
    stream = sys.stderr
    # A program without a console has no stderr.
    if not told or os.environ.get("MINIMODEL_PROGRESS") == "none" or stream is None:
        yield None
        return
    drawing = _Drawing(stream)
    try:
        yield lambda event: drawing.draw(_progress(event))
    finally:
        drawing.clear()


def _progress(event: Event) -> Progress:
    return Progress(
        event["label"],
        event["proven_bytes"],
        event["total_bytes"],
        event["bytes_per_second"],
        event["seconds_left"],
        event["idle"],
    )


class _Drawing:
    """Draws on a stream. A stream that takes nothing any more is left alone: progress never ends the work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._width = _width(stream)
        self._drawn = 0
        self._line_at = time.monotonic()

    def draw(self, progress: Progress) -> None:
        now = time.monotonic()
        if self._width is not None:
            line = line_of(progress, self._width)
            self._write("\r" + line.ljust(self._drawn))
            self._drawn = len(line)
        elif now - self._line_at >= _LINE_EVERY:
            self._line_at = now
            self._write(line_of(progress, None) + "\n")

    def clear(self) -> None:
        """Takes the redrawn line away; the caller tells how the work ended."""
        if self._drawn:
            self._write("\r" + " " * self._drawn + "\r")
            self._drawn = 0

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def _width(stream: TextIO) -> int | None:
    """Characters of a line that can be redrawn; None if the stream keeps what is written."""
    # A notebook's stream is no terminal and may have no file descriptor; its front end redraws a line all the same.
    if type(stream).__module__.partition(".")[0] in ("ipykernel", "colab"):
        return _NOTEBOOK_WIDTH
    try:
        is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
    except (AttributeError, OSError, ValueError):
        is_terminal = False
    # One less: a full line would go on in the next one.
    return max(shutil.get_terminal_size().columns - 1, 1) if is_terminal else None


def line_of(progress: Progress, width: int | None) -> str:
    """`fetch  12.0 MiB of 256.0 MiB, 35.2 MiB/s, 7 s left`, with a bar where the line is wide enough."""
    text = f"{size(progress.proven_bytes)} of {size(progress.total_bytes)}"
    if progress.idle is not None:
        text += f", waiting: {progress.idle}"
    elif progress.bytes_per_second:
        text += f", {size(progress.bytes_per_second)}/s"
        if progress.seconds_left is not None:
            text += f", {duration(progress.seconds_left)} left"
    if width is None:
        return f"{progress.label}: {text}"
    share = progress.proven_bytes / progress.total_bytes if progress.total_bytes else 1.0
    bar = ("=" * round(share * _BAR_WIDTH)).ljust(_BAR_WIDTH)
    line = f"{progress.label} [{bar}] {text}"
    return line if len(line) <= width else f"{share:4.0%} {text}"[:width]


def size(count: int) -> str:
    """Bytes with a unit, as the program writes them."""
    if count < 1024:
        return f"{count} B"
    amount = count / 1024
    for unit in ("KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def duration(seconds: float) -> str:
    """Seconds as `7 s`, `3 min` or `2.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
