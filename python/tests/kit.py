"""What the tests share: one signed model file, homes of their own, and a stand-in for the program.

The tests run the program that `minimodel.binary()` names: that of the installed wheel, or MINIMODEL_BINARY.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import minimodel
from minimodel import _child

REPOSITORY = Path(__file__).parents[2]

#: Longest wait for a condition, in seconds; a loaded machine is slow.
PATIENCE = 120.0

LOOPBACK = "127.0.0.1:0"


@dataclass(frozen=True)
class Model:
    """A model file and its manifest, signed by the user of `home`."""

    home: Path
    manifest: Path
    file: Path


@functools.cache
def model() -> Model:
    """The one that all tests share."""
    folder = Path(tempfile.mkdtemp(prefix="minimodel-python-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = Model(folder / "home", folder / "tiny.minimodel", folder / "tiny.slm")
    run(made.home, "sample", str(made.file), "--bytes=2MiB")
    names = ["--model-id=tiny", "--model-version=1", "--publisher-id=alice"]
    routes = ["--license-route=/license", "--model-card-route=/card"]
    run(made.home, "manifest", "create", str(made.file), *names, *routes, "--sign", f"--out={made.manifest}")
    return made


def run(home: Path, *words: str) -> list[_child.Event]:
    """Runs a verb that the module has no function for."""
    return _child.ask(words, home)


def until(what: str, condition: Callable[[], bool]) -> None:
    """Waits for a condition."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {PATIENCE:.0f} s")
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended; one that is only to be waited for has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Case(unittest.TestCase):
    """A test with a folder of its own, and homes in it."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="minimodel-python-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.home = self.folder / "home"
        # The share of these tests listens on loopback alone, and so does all that dials it.
        self.set_variable("MINIMODEL_LISTEN", LOOPBACK)

    def set_variable(self, name: str, value: str) -> None:
        """Sets a variable of the environment for this test."""
        patch = mock.patch.dict(os.environ, {name: value})
        patch.start()
        self.addCleanup(patch.stop)

    def shared(self) -> minimodel.Share:
        """A share of the model, until the test ends."""
        made = model()
        shared = minimodel.share(made.manifest, made.file, consent=["serve"], home=made.home, progress=False)
        self.addCleanup(shared.stop)
        return shared

    def fetch(self, offer: str, **options: str) -> minimodel.Fetched:
        """Fetches into this test's folder."""
        into = self.folder / "models"
        consent: list[minimodel.Action] = ["fetch", "import"]
        return minimodel.fetch(offer, local_dir=into, consent=consent, home=self.home, progress=False, **options)

    def stand_in(self, body: str, version: str = minimodel.__version__) -> None:
        """Puts a script in the program's place: the lines of `body` in Python, with `json`, `os`, `sys` and `time`."""
        script = self.folder / f"minimodel-{len(list(self.folder.iterdir()))}"
        head = f"#!{sys.executable}\nimport json, os, sys, time\n"
        says = f"if '--version' in sys.argv: print('minimodel {version}'); sys.exit()\n"
        script.write_text(head + says + body, encoding="utf-8")
        script.chmod(0o700)
        self.set_variable("MINIMODEL_BINARY", str(script))
