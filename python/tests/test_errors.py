"""Exceptions: one class for each exit code, with what failed."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import unittest

import minimodel
from minimodel import _errors
from minimodel._child import Child
from tests import kit

FETCHES_WITH_SMALL_FILES = """
import resource, sys, minimodel
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    minimodel.fetch(sys.argv[1], local_dir=sys.argv[2], home=sys.argv[3], consent=["fetch", "import"], progress=False)
except minimodel.DiskFullError as error:
    print(error.code, error.is_resumable)
"""


class OfTheProgram(kit.Case):
    """Made by the real program."""

    def test_usage_is_also_a_value_error(self) -> None:
        with self.assertRaises(minimodel.UsageError) as raised:
            self.fetch("mm1x", down="fast")
        self.assertIsInstance(raised.exception, ValueError)
        self.assertEqual(raised.exception.code, 2)
        self.assertIn("fast", raised.exception.error)

    def test_missing_manifest_is_not_found_and_named(self) -> None:
        with self.assertRaises(minimodel.NotFoundError) as raised:
            minimodel.verify(self.folder / "no.minimodel", kit.model().file, home=self.home, progress=False)
        self.assertIn("no.minimodel", raised.exception.error)
        self.assertTrue(raised.exception.cause and raised.exception.hint)
        self.assertIn("\nhint: ", str(raised.exception))

    def test_unknown_library_name_is_not_found(self) -> None:
        with self.assertRaisesRegex(minimodel.NotFoundError, "no entry `tiny`"):
            minimodel.path("tiny", home=self.home)

    def test_wrong_file_fails_verification_with_its_report(self) -> None:
        wrong = self.folder / "wrong.slm"
        wrong.write_bytes(kit.model().file.read_bytes()[:-1] + b"x")
        with self.assertRaises(minimodel.VerificationError) as raised:
            minimodel.verify(kit.model().manifest, wrong, home=self.home, progress=False)
        report = raised.exception.report
        assert report is not None
        failed = [check.name for check in report.checks if check.outcome == "fail"]
        self.assertFalse(report.ok)
        self.assertIn("artifact.sha256", failed)
        self.assertIn("artifact.sha256", str(raised.exception))

    def test_consent_that_the_program_refuses_is_a_consent_error(self) -> None:
        made = kit.model()
        with self.assertRaises(minimodel.ConsentError):
            kit.run(self.home, "seed", str(made.manifest), str(made.file))

    def test_other_publisher_key_is_a_mismatch(self) -> None:
        with self.assertRaises(minimodel.MismatchError) as raised:
            key = "ed25519:" + "1" * 64
            minimodel.verify(kit.model().manifest, kit.model().file, publisher_key=key, home=self.home, progress=False)
        self.assertIsNotNone(raised.exception.report)

    def test_fetch_from_a_share_that_ended_stops_resumably(self) -> None:
        with self.shared() as shared:
            offer = shared.offer
        with self.assertRaises((minimodel.NotFoundError, minimodel.StoppedError)):
            self.fetch(offer, stall_timeout="1s")

    def test_limit_on_file_sizes_is_a_full_disk(self) -> None:
        words = [self.shared().offer, str(self.folder / "models"), str(self.home)]
        run = subprocess.run(
            [sys.executable, "-c", FETCHES_WITH_SMALL_FILES, *words],
            capture_output=True,
            timeout=kit.PATIENCE,
        )
        self.assertEqual((run.stdout, run.stderr), (b"9 True\n", b""))

    def test_what_is_no_offer_is_invalid(self) -> None:
        with self.assertRaisesRegex(minimodel.InvalidError, "mm1nonsense"):
            self.fetch("mm1nonsense")

    def test_target_of_another_fetch_is_busy(self) -> None:
        offer = self.shared().offer
        moves, ended = threading.Event(), threading.Event()

        def first() -> None:
            def tell(progress: minimodel.Progress) -> None:
                moves.set()
                if ended.is_set():
                    raise KeyboardInterrupt

            into, slow = self.folder / "models", "100KiB"
            with self.assertRaises(KeyboardInterrupt):
                minimodel.fetch(
                    offer,
                    local_dir=into,
                    consent=["fetch", "import"],
                    down=slow,
                    home=self.home,
                    progress=tell,
                )

        other = threading.Thread(target=first)
        other.start()
        try:
            self.assertTrue(moves.wait(kit.PATIENCE))
            with self.assertRaises(minimodel.BusyError):
                self.fetch(offer)
        finally:
            ended.set()
            other.join(kit.PATIENCE)
        self.assertFalse(other.is_alive())

    def test_file_of_another_content_in_the_way_is_left_alone(self) -> None:
        into = self.folder / "models"
        into.mkdir()
        (into / "tiny-1.slm").write_bytes(b"mine")
        with self.assertRaises(minimodel.MinimodelError) as raised:
            self.fetch(self.shared().offer)
        self.assertEqual((into / "tiny-1.slm").read_bytes(), b"mine")
        self.assertIn("tiny-1.slm", str(raised.exception))

    def test_folder_in_place_of_a_file_is_a_file_access_error(self) -> None:
        with self.assertRaisesRegex(minimodel.FileAccessError, "models"):
            (self.folder / "models").mkdir()
            minimodel.verify(kit.model().manifest, self.folder / "models", home=self.home, progress=False)

    def test_signals_of_others_are_told_as_such(self) -> None:
        words = [
            f"--offer={self.shared().offer}",
            "--consent=fetch,import",
            f"--out={self.folder}",
            "--down=100KiB",
        ]
        for number, expected in (
            (signal.SIGTERM, minimodel.TerminatedError),
            (signal.SIGKILL, minimodel.UnexpectedError),
        ):
            with self.subTest(number), Child(["fetch", *words], self.home, progress=True) as child:
                next(event for event in child.output.events() if event["event"] == "progress")
                os.kill(child.pid, number)
                with self.assertRaises(expected) as raised:
                    child.finish()
                self.assertEqual(raised.exception.is_resumable, number == signal.SIGTERM)


class OfEveryCode(kit.Case):
    """Made by a stand-in, because some need a full disk or another version of the protocol."""

    def test_each_exit_code_is_its_own_class_with_what_failed(self) -> None:
        for code, expected in _errors.BY_CODE.items():
            with self.subTest(code):
                told = {
                    "event": "error",
                    "version": 0,
                    "code": code,
                    "error": "w\u00f6rds",
                    "cause": None,
                    "hint": "do so",
                }
                self.stand_in(f"print(json.dumps({told!r})); sys.exit({code})")
                with self.assertRaises(expected) as raised:
                    minimodel.status()
                error = raised.exception
                self.assertIs(type(error), expected)
                self.assertEqual(
                    (error.code, error.error, error.cause, error.hint), (code, "w\u00f6rds", None, "do so")
                )
                again = pickle.loads(pickle.dumps(error))
                self.assertEqual((type(again), again.code, str(again)), (expected, code, str(error)))

    def test_code_of_a_later_program_is_unexpected_and_kept(self) -> None:
        self.stand_in("print('a panic', file=sys.stderr); sys.exit(101)")
        with self.assertRaisesRegex(minimodel.UnexpectedError, "a panic") as raised:
            minimodel.status()
        self.assertEqual(raised.exception.code, 101)

    def test_answer_without_its_event_is_unexpected(self) -> None:
        self.stand_in("print('{broken'); print('{}')")
        with self.assertLogs("minimodel"), self.assertRaisesRegex(minimodel.UnexpectedError, "'status'"):
            minimodel.status()

    def test_text_for_people_is_logged_and_never_parsed(self) -> None:
        self.stand_in(
            "print('warning: h\\u00f6r', file=sys.stderr)\nprint(json.dumps({'event': 'library-path', 'path': '/m'}))"
        )
        self.set_variable("PYTHONIOENCODING", "utf-8")
        with self.assertLogs("minimodel", "WARNING") as logged:
            self.assertEqual(str(minimodel.path("m")), "/m")
        self.assertEqual(logged.output, ["WARNING:minimodel:warning: h\u00f6r"])

    def test_much_output_on_both_streams_stops_nothing(self) -> None:
        self.stand_in("""
for number in range(3000): print('x' * 100, file=sys.stderr); print(json.dumps({"event": "other", "text": "y" * 100}))
sys.exit(7)""")
        with self.assertRaises(minimodel.StoppedError) as raised:
            minimodel.library()
        self.assertTrue(raised.exception.is_resumable)
        self.assertLess(len(raised.exception.stderr), 100_000)

    def test_classes_are_those_of_the_documentation(self) -> None:
        for page in ("cli.md", "python.md"):
            text = (kit.REPOSITORY / "docs" / page).read_text(encoding="utf-8")
            codes = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
            self.assertEqual(codes - {0}, set(_errors.BY_CODE), page)
        rows = dict(re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE))
        self.assertEqual(
            {int(code): name for code, name in rows.items()},
            {code: each.__name__ for code, each in _errors.BY_CODE.items()},
        )


if __name__ == "__main__":
    unittest.main()
