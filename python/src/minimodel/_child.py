"""One run of the program: its events as they come, how it ended, and how it is stopped."""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import subprocess
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import IO, Any, TypeAlias

from ._arguments import StrPath, environment
from ._binary import binary
from ._errors import BinaryError, MinimodelError, UnexpectedError, UsageError, of_code
from ._types import Report

Event = dict[str, Any]

#: Lines of stderr that are kept.
_KEPT_LINES = 200

#: Seconds that the program may take to end when Python itself ends.
_LAST_PATIENCE = 10

#: How a run ends that was stopped: as the program says it, or before it listened to signals.
_STOPPED = (130, 143, -signal.SIGINT, -signal.SIGTERM)

_log = logging.getLogger("minimodel")


class _End:
    """A stream has ended."""


_Line: TypeAlias = "Event | str | _End"


class Output:
    """What a run writes, read by two threads, so that no full pipe stops it."""

    def __init__(self, streams: Sequence[IO[bytes]]) -> None:
        self._lines: queue.SimpleQueue[_Line] = queue.SimpleQueue()
        self._open = len(streams)
        self.said: deque[str] = deque(maxlen=_KEPT_LINES)
        self.failure: Event | None = None
        self.report: Report | None = None
        for stream in streams:
            threading.Thread(target=_read, args=(stream, self._lines), name="minimodel", daemon=True).start()

    def events(self) -> Iterator[Event]:
        """The events, until the program has closed its streams; the failure and the report are kept instead."""
        while self._open:
            line = self._lines.get()
            if isinstance(line, _End):
                self._open -= 1
            elif isinstance(line, str):
                self.said.append(line)
            elif line.get("event") == "error":
                self.failure = line
            elif "checks" in line and "ok" in line:
                self.report = Report.from_json(line)
            else:
                _log.debug("%s", line)
                yield line

    def error(self, code: int) -> MinimodelError:
        """The exception for a run that ended with this code."""
        said = "\n".join(self.said)
        if self.failure is not None:
            told = self.failure
            failure = of_code(code, str(told["error"]), told["cause"], told["hint"])
        elif self.report is not None and not self.report.ok:
            wrong = "; ".join(
                f"{check.name}: {check.detail}" for check in self.report.checks if check.outcome == "fail"
            )
            failure = of_code(code, "a check failed", wrong)
        elif code < 0:
            failure = of_code(code, f"the program was ended by {_signal_name(-code)}")
        else:
            failure = of_code(code, f"the program ended with exit code {code}", said or None)
        failure.report, failure.stderr = self.report, said
        return failure


def _read(stream: IO[bytes], lines: queue.SimpleQueue[_Line]) -> None:
    """Passes on each line of a stream: a JSON object as such, all else as text."""
    with stream:
        for raw in stream:
            text = raw.decode("utf-8", "replace").rstrip("\r\n")
            try:
                found = json.loads(text) if text.startswith("{") else None
            except ValueError:
                found = None
            lines.put(found if isinstance(found, dict) else text)
    lines.put(_End())


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """Ends the program with its last user, so that no share outlives the program that started it."""
    if os.getpid() != owner:
        # A fork of the process that started the program.
        return
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_LAST_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdin is not None:
        process.stdin.close()


class Child:
    """A running program. Left as a context, it is stopped in good order if it still runs."""

    def __init__(self, words: Sequence[str], home: StrPath | None, *, progress: bool = False) -> None:
        command = [str(binary()), "--json", "--quiet", f"--progress={'json' if progress else 'none'}", *words]
        self._is_stopped = False
        # A terminal's Ctrl-C reaches the program too, where a second signal means "at once". So SIGINT is blocked
        # there, and this process stops the program once. Blocked here, it cannot come before the finalizer is there.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(
                command,
                # Closed by the system if this process is killed: `--end-with-stdin` of a transfer.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(home),
            )
            weakref.finalize(self, _end, self._process, os.getpid())
        except OSError as error:
            raise BinaryError(f"cannot run {command[0]}", str(error), "install the wheel again") from error
        except ValueError as error:
            hint = "leave out NUL characters, and characters that file names here cannot have"
            raise UsageError("an argument cannot be passed to a program", str(error), hint) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        streams = [stream for stream in (self._process.stdout, self._process.stderr) if stream is not None]
        self.output = Output(streams)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def stop(self) -> None:
        """Stops the program in good order and waits for its end; a Ctrl-C meanwhile ends it at once."""
        try:
            if self._process.poll() is None:
                self._is_stopped = True
                self._process.terminate()
            self._process.wait()
        except BaseException:
            self._process.terminate()
            self._process.wait()
            raise

    def finish(self) -> None:
        """Waits for the end. Raises the exception of the exit code, unless the program was stopped by `stop`."""
        for _ in self.output.events():
            pass
        code = self._process.wait()
        if code != 0 and not (self._is_stopped and code in _STOPPED):
            raise self.output.error(code)
        for line in self.output.said:
            _log.warning("%s", line)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def ask(words: Sequence[str], home: StrPath | None) -> list[Event]:
    """Runs a verb that answers at once; its events."""
    with Child(words, home) as child:
        events = list(child.output.events())
        child.finish()
    return events


def ask_one(words: Sequence[str], home: StrPath | None, name: str) -> Event:
    """Runs a verb that answers with one event of this name."""
    for event in ask(words, home):
        if event.get("event") == name:
            return event
    raise UnexpectedError(f"the program did not answer with the event {name!r}")
