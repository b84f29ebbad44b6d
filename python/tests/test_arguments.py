"""Consent that cannot be left out, and names that are never read as a flag or by a shell."""

from __future__ import annotations

import os
import shutil
import unittest
from pathlib import Path
from typing import Any

import minimodel
from minimodel import _arguments, _consent
from tests import kit

HOSTILE = ["--help", "-h", "--", "mm1abc", "a b'\"$(touch x);`", "l\nine", "\u202e\u65e5\u672c.slm", "-"]


class Consent(kit.Case):
    def setUp(self) -> None:
        super().setUp()
        # A program that cannot run: what is refused here was refused before it would have started.
        self.set_variable("MINIMODEL_BINARY", "/no/such/program")

    def test_consent_left_out_is_an_error_of_the_call(self) -> None:
        fetch: Any = minimodel.fetch
        share: Any = minimodel.share
        with self.assertRaisesRegex(TypeError, "consent"):
            fetch("mm1x", local_dir=self.folder)
        with self.assertRaisesRegex(TypeError, "consent"):
            share("m", "f")
        with self.assertRaisesRegex(TypeError, "positional"):
            share("m", "f", ["serve"])

    def test_consent_must_be_a_list_of_actions(self) -> None:
        fetch: Any = minimodel.fetch
        for consent in (None, True, "fetch", "fetch,import", b"fetch", 1):
            with self.subTest(consent), self.assertRaisesRegex(TypeError, "list of actions"):
                fetch("mm1x", local_dir=self.folder, consent=consent)
        with self.assertRaisesRegex(minimodel.UsageError, "'all' is no action"):
            fetch("mm1x", local_dir=self.folder, consent=["all"])

    def test_missing_action_is_named_before_the_program_starts(self) -> None:
        with self.assertRaisesRegex(minimodel.ConsentError, "consent to import;") as raised:
            minimodel.fetch("mm1x", local_dir=self.folder, consent=["fetch"])
        self.assertEqual((raised.exception.code, os.listdir(self.folder)), (5, []))
        with self.assertRaisesRegex(minimodel.ConsentError, "consent to cache;"):
            minimodel.fetch("mm1x", consent=["fetch", "import"])
        with self.assertRaisesRegex(minimodel.ConsentError, "consent to serve;"):
            minimodel.share("m", "f", consent=[])
        with self.assertRaises(minimodel.BinaryError):
            minimodel.share("m", "f", consent=["serve"])

    def test_empty_allow_list_never_means_every_peer(self) -> None:
        with self.assertRaisesRegex(minimodel.UsageError, "allow is an empty list"):
            minimodel.share("m", "f", consent=["serve"], allow=[])

    def test_each_action_is_passed_once_and_nothing_is_added(self) -> None:
        self.assertEqual(_consent.flag(["import", "fetch", "fetch"], ("fetch",), "fetch"), "--consent=import,fetch")


class Names(kit.Case):
    def test_paths_are_never_flags_or_offers(self) -> None:
        for name in HOSTILE:
            self.assertEqual(_arguments.file(name), f"./{name}")
        self.assertEqual(_arguments.file(Path("/a/--b")), "/a/--b")
        self.assertEqual(_arguments.offer(" mm1abc\n"), "mm1abc")
        self.assertEqual(_arguments.offer(Path("mm1abc")), "./mm1abc")
        self.assertEqual(_arguments.offer("--help"), "./--help")

    def test_values_stay_one_word_with_their_flag(self) -> None:
        given = _arguments.flags(down="--help", up=None, stall_timeout="1 s; true")
        self.assertEqual(given, ["--down=--help", "--stall-timeout=1 s; true"])

    def test_files_and_folders_with_hostile_names_work(self) -> None:
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        made = kit.model()
        for name in HOSTILE:
            with self.subTest(name):
                shutil.copy(made.manifest, self.folder / f"{name}.minimodel")
                shutil.copy(made.file, self.folder / name)
                self.assertTrue(minimodel.verify(f"{name}.minimodel", name, home=self.home, progress=False).ok)
        self.assertFalse((self.folder / "x").exists())

    def test_fetch_into_folders_with_hostile_names(self) -> None:
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        shared = self.shared()
        not_utf8 = os.fsdecode(b"\xff\xfe")
        for name in ["--out", not_utf8]:
            with self.subTest(repr(name)):
                fetched = minimodel.fetch(
                    shared.offer, local_dir=name, consent=["fetch", "import"], home=self.home, progress=False
                )
                self.assertEqual(fetched.path, Path(name, "tiny-1.slm"))
                self.assertTrue(fetched.path.is_file() and fetched.receipt.is_file())
                self.assertEqual(minimodel.receipt(fetched, home=self.home).model_id, "tiny")

    def test_hostile_library_names_are_names(self) -> None:
        for name in HOSTILE:
            with self.subTest(name), self.assertRaises(minimodel.NotFoundError):
                minimodel.path(name, home=self.home)

    def test_what_no_program_can_be_given_is_a_usage_error(self) -> None:
        for name in ("a\0b", "\ud800"):
            with self.subTest(repr(name)), self.assertRaises(minimodel.UsageError):
                minimodel.path(name, home=self.home)
        with self.assertRaisesRegex(minimodel.UsageError, "empty"):
            minimodel.verify("", "f")
        path: Any = b"f"
        with self.assertRaises(TypeError):
            minimodel.verify("m", path)

    def test_variables_of_output_change_nothing(self) -> None:
        for name in ("JSON", "QUIET", "VERBOSE"):
            self.set_variable(f"MINIMODEL_{name}", "1")
        self.set_variable("MINIMODEL_PROGRESS", "plain")
        self.set_variable("MINIMODEL_HOME", str(self.folder / "other"))
        self.assertFalse(minimodel.status(home=self.home).is_running)
        self.assertTrue(self.home.is_dir())
        self.assertFalse((self.folder / "other").exists())


class Receipts(kit.Case):
    def test_changed_receipt_is_invalid(self) -> None:
        receipt = self.folder / "a.slm.receipt"
        kit.run(self.home, "write-import-receipt", str(kit.model().manifest), str(kit.model().file), str(receipt))
        self.assertEqual(minimodel.receipt(receipt, home=self.home).lane, "user-local-file")
        self.assertEqual(minimodel.receipt(self.folder / "a.slm", home=self.home).peers, ())
        receipt.write_bytes(receipt.read_bytes().replace(b"model.id=tiny", b"model.id=tinx"))
        with self.assertRaises(minimodel.InvalidError):
            minimodel.receipt(receipt, home=self.home)

    def test_receipt_that_changes_while_it_is_read_is_invalid(self) -> None:
        receipt = self.folder / "a.slm.receipt"
        receipt.write_bytes(b"model.id=x\nreceipt.sha256=sha256:00\n")
        self.stand_in("print(json.dumps({'event': 'inspect', 'kind': 'receipt'}))")
        with self.assertRaisesRegex(minimodel.InvalidError, "changed while"):
            minimodel.receipt(receipt)

    def test_other_file_is_no_receipt(self) -> None:
        file = self.folder / "a.receipt"
        shutil.copy(kit.model().manifest, file)
        with self.assertRaisesRegex(minimodel.InvalidError, "not a receipt"):
            minimodel.receipt(file, home=self.home)
        with self.assertRaises(minimodel.NotFoundError):
            minimodel.receipt(self.folder / "none.slm", home=self.home)


if __name__ == "__main__":
    unittest.main()
