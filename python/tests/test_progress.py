"""Progress in a terminal, in a notebook, and where neither is; and Ctrl-C."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import subprocess
import sys
import unittest
from collections.abc import Callable
from unittest import mock

import minimodel
from minimodel import _progress
from tests import kit

#: Makes stdin the terminal that Ctrl-C is sent from.
TAKES_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"

#: Fetches slowly, says when bytes move and what Ctrl-C did.
FETCHES = """
import os, sys, minimodel
def tell(progress):
    if progress.proven_bytes: print("moving", flush=True)
print("begun", flush=True)
try:
    minimodel.fetch(sys.argv[1], local_dir=sys.argv[2], home=sys.argv[3], consent=["fetch", "import"],
                    down=sys.argv[4], progress=tell if sys.argv[5] == "tell" else True)
    print("fetched", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


#: As a notebook's: no terminal, and no file descriptor.
Notebook = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})


def event(proven: int, idle: str | None = None) -> dict[str, object]:
    rate, left = (None, None) if idle else (1 << 20, 3.0)
    told = {"label": "fetch", "proven_bytes": proven, "total_bytes": 4 << 20, "idle": idle}
    return {"event": "progress", "bytes_per_second": rate, "seconds_left": left, **told}


def drawn(stream: io.StringIO, told: _progress.Told = True) -> str:
    with mock.patch.object(sys, "stderr", stream), _progress.shown(told) as tell:
        if tell is not None:
            tell(event(1 << 20))
            tell(event(2 << 20, "choked"))
        return stream.getvalue() if not stream.closed else ""


class Drawing(unittest.TestCase):
    def test_terminal_and_notebook_redraw_one_line(self) -> None:
        for kind in (Terminal, Notebook):
            with self.subTest(kind.__name__):
                text = drawn(kind())
                self.assertNotIn("\n", text)
                first, second = text.split("\r")[1:]
                self.assertIn("fetch [======                  ] 1.0 MiB of 4.0 MiB, 1.0 MiB/s, 3 s left", first)
                self.assertIn("waiting: choked", second)
                self.assertGreaterEqual(len(second), len(first.rstrip()))

    def test_line_is_taken_away_at_the_end(self) -> None:
        stream = Terminal()
        drawn(stream)
        self.assertTrue(stream.getvalue().endswith(" \r"))

    def test_line_fits_a_narrow_terminal(self) -> None:
        with mock.patch.dict(os.environ, {"COLUMNS": "20"}):
            self.assertTrue(all(len(line) < 20 for line in drawn(Terminal()).split("\r")))

    def test_elsewhere_a_line_comes_every_ten_seconds(self) -> None:
        with mock.patch("time.monotonic", side_effect=[0.0, 9.9, 10.0]):
            self.assertEqual(drawn(io.StringIO()), "fetch: 2.0 MiB of 4.0 MiB, waiting: choked\n")
        with mock.patch.dict(os.environ, {"TERM": "dumb"}):
            self.assertEqual(drawn(Terminal()), "")

    def test_stream_that_takes_nothing_ends_no_work(self) -> None:
        closed = Terminal()
        with mock.patch.object(sys, "stderr", closed), _progress.shown(True) as tell:
            assert tell is not None
            closed.close()
            tell(event(1))
        with mock.patch.object(sys, "stderr", None), _progress.shown(True) as tell:
            self.assertIsNone(tell)

    def test_progress_is_off_by_argument_and_by_variable(self) -> None:
        self.assertEqual(drawn(Terminal(), False), "")
        with mock.patch.dict(os.environ, {"MINIMODEL_PROGRESS": "none"}):
            self.assertEqual(drawn(Terminal()), "")

    def test_sizes_and_times_have_units(self) -> None:
        sizes = [_progress.size(count) for count in (0, 1023, 1024, 1536, 5 << 30, 3 << 40)]
        self.assertEqual(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 GiB", "3.0 TiB"])
        times = [_progress.duration(seconds) for seconds in (7.2, 119, 180, 9000)]
        self.assertEqual(times, ["7 s", "119 s", "3 min", "2.5 h"])


class Called(kit.Case):
    def test_function_is_called_with_each_progress_of_a_fetch(self) -> None:
        seen: list[minimodel.Progress] = []
        offer, into = self.shared().offer, self.folder / "models"
        consent: list[minimodel.Action] = ["fetch", "import"]
        minimodel.fetch(offer, local_dir=into, consent=consent, down="1MiB", home=self.home, progress=seen.append)
        self.assertTrue(seen)
        self.assertEqual({each.total_bytes for each in seen}, {kit.model().file.stat().st_size})

    def test_failure_of_the_function_stops_the_program(self) -> None:
        def fail(_: minimodel.Progress) -> None:
            raise LookupError("of the caller")

        with self.assertRaisesRegex(LookupError, "of the caller"):
            offer, into = self.shared().offer, self.folder / "models"
            consent: list[minimodel.Action] = ["fetch", "import"]
            minimodel.fetch(offer, local_dir=into, consent=consent, down="100KiB", home=self.home, progress=fail)
        self.assertFalse(self.fetch(self.shared().offer).was_here)

    def test_verify_tells_its_progress(self) -> None:
        progress = {"event": "progress", "version": 0, **event(1)}
        self.stand_in(
            f"print(json.dumps({progress!r}), file=sys.stderr)\n"
            """print(json.dumps({"ok": True, "swarm_id": None, "checks": []}))"""
        )
        seen: list[minimodel.Progress] = []
        self.assertTrue(minimodel.verify("m", "f", progress=seen.append).ok)
        self.assertEqual([each.proven_bytes for each in seen], [1])


#: A program that outlives the first SIGTERM, says which signals it handled, and at its end which ones it held back.
COUNTS_SIGNALS = """
import signal
handled = []
def handle(number, frame):
    handled.append(signal.Signals(number).name)
    with open(os.path.join(os.environ['MINIMODEL_HOME'], str(len(handled))), 'w') as file:
        json.dump([handled, [each.name for each in signal.sigpending()]], file)
    if len(handled) == 2: sys.exit(143)
signal.signal(signal.SIGINT, handle)
signal.signal(signal.SIGTERM, handle)
print(json.dumps(PROGRESS), flush=True)
while True: time.sleep(60)
"""


class OnTerminal(kit.Case):
    """A whole Python on a terminal of its own."""

    def start(self, offer: str, down: str, how: str) -> tuple[subprocess.Popen[bytes], int]:
        program = TAKES_TERMINAL + FETCHES
        words = [sys.executable, "-c", program, offer, str(self.folder), str(self.home), down, how]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        terminal, inside = pty.openpty()
        self.addCleanup(os.close, terminal)
        python = subprocess.Popen(
            words, stdin=inside, stdout=inside, stderr=inside, env=environment, start_new_session=True
        )
        os.close(inside)
        return python, terminal

    def read(self, terminal: int, until: Callable[[str], bool]) -> str:
        """What the terminal shows, until that holds or the program ends."""
        shown = b""
        # Linux says the end of a terminal with an error.
        with contextlib.suppress(OSError):
            while not until(shown.decode("utf-8", "replace")):
                piece = os.read(terminal, 4096)
                if not piece:
                    break
                shown += piece
        return shown.decode("utf-8", "replace")

    def test_terminal_shows_a_bar_and_takes_it_away(self) -> None:
        python, terminal = self.start(self.shared().offer, "1MiB", "draw")
        shown = self.read(terminal, lambda _: False)
        self.assertEqual(python.wait(kit.PATIENCE), 0)
        self.assertRegex(shown, r"\rfetch \[=* *\] [^\r]* of 2\.0 MiB")
        self.assertRegex(shown, r" \rfetched\r\n$")

    def test_pipe_gets_no_control_characters(self) -> None:
        words = [self.shared().offer, str(self.folder), str(self.home), "1MiB", "draw"]
        run = subprocess.run([sys.executable, "-c", FETCHES, *words], capture_output=True, timeout=kit.PATIENCE)
        self.assertEqual(run.stdout, b"begun\nfetched\n")
        self.assertNotIn(b"\r", run.stderr)

    def test_ctrl_c_stops_the_program_and_the_fetch_resumes(self) -> None:
        python, terminal = self.start(self.shared().offer, "256KiB", "tell")
        self.read(terminal, lambda shown: "moving" in shown)
        # Sends SIGINT to all of the terminal's foreground, the program included.
        os.write(terminal, b"\x03")
        shown = self.read(terminal, lambda _: False)
        self.assertEqual(python.wait(kit.PATIENCE), 0)
        self.assertRegex(shown, r"interrupted\r\n$")
        self.assertTrue((self.folder / "tiny-1.slm.part").exists())
        offer = self.shared().offer
        resumed = minimodel.fetch(
            offer, local_dir=self.folder, consent=["fetch", "import"], home=self.home, progress=False
        )
        self.assertLess(resumed.received_bytes, kit.model().file.stat().st_size)

    def test_each_ctrl_c_reaches_the_program_just_once(self) -> None:
        self.home.mkdir()
        self.stand_in(COUNTS_SIGNALS.replace("PROGRESS", repr(event(1))))
        python, terminal = self.start("mm1x", "1MiB", "tell")
        self.read(terminal, lambda shown: "moving" in shown)
        os.write(terminal, b"\x03")
        kit.until("the program is asked to end", (self.home / "1").exists)
        # Its files are read at its end, when they are whole.
        os.write(terminal, b"\x03")
        self.assertRegex(self.read(terminal, lambda _: False), r"interrupted\r\n$")
        self.assertEqual(python.wait(kit.PATIENCE), 0)
        self.assertEqual(json.loads((self.home / "1").read_text()), [["SIGTERM"], ["SIGINT"]])
        self.assertEqual(json.loads((self.home / "2").read_text()), [["SIGTERM", "SIGTERM"], ["SIGINT"]])


if __name__ == "__main__":
    unittest.main()
