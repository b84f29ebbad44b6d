"""A share and a fetch between two homes on this machine."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import unittest
from pathlib import Path

import minimodel
from tests import kit

#: Shares, says which process does it, and ends without a word.
LEAVES_WITHOUT_STOP = """
import sys, minimodel
shared = minimodel.share(*sys.argv[1:3], consent=["serve"], home=sys.argv[3], progress=False)
print(shared._child.pid)
"""


class Transfer(kit.Case):
    def test_fetch_from_share_gives_the_file_and_its_receipt(self) -> None:
        made = kit.model()
        with minimodel.share(made.manifest, made.file, consent=["serve"], home=made.home, progress=False) as shared:
            fetched = self.fetch(shared.offer)
            self.assertEqual(Path(fetched).read_bytes(), made.file.read_bytes())
            self.assertEqual(fetched.path, self.folder / "models" / "tiny-1.slm")
            self.assertEqual([supply.peer for supply in fetched.peers], [shared.peer])
            self.assertEqual(fetched.received_bytes, made.file.stat().st_size)
            self.assertFalse(fetched.was_here)
            assert fetched.publisher is not None and shared.publisher is not None
            self.assertEqual((fetched.publisher.id, fetched.publisher.standing), ("alice", "new"))
            self.assertEqual(fetched.publisher.key, shared.publisher.key)
        self.assertEqual(shared.sent_bytes, fetched.received_bytes)
        self.assertTrue(minimodel.verify(made.manifest, fetched, home=self.home, progress=False).ok)

        receipt = minimodel.receipt(fetched, home=self.home)
        self.assertEqual(receipt, minimodel.receipt(fetched.receipt, home=self.home))
        self.assertEqual((receipt.model_id, receipt.model_version, receipt.publisher_id), ("tiny", "1", "alice"))
        self.assertEqual([given.action for given in receipt.consents], ["fetch", "import"])
        self.assertEqual(receipt.peers, fetched.peers)
        self.assertEqual({check.outcome for check in receipt.checks}, {"pass"})

    def test_second_fetch_says_that_the_file_was_there(self) -> None:
        offer = self.shared().offer
        first, second = self.fetch(offer), self.fetch(offer)
        self.assertEqual((second.was_here, second.path, second.peers), (True, first.path, ()))

    def test_fetch_with_manifest_and_offers_in_a_file_and_as_text(self) -> None:
        file = self.folder / "mm1.offer"
        offer = self.shared().offer
        file.write_text(offer + "\n")
        into = self.folder / "models"
        fetched = minimodel.fetch(
            [file, offer],
            manifest=kit.model().manifest,
            local_dir=into,
            consent=["fetch", "import", "serve"],
            home=self.home,
            progress=False,
        )
        self.assertEqual(fetched.path.parent, into)

    def test_peer_that_is_not_allowed_is_refused(self) -> None:
        made = kit.model()
        other = kit.run(self.folder / "other", "id", "show")[0]["peer_id"]
        shared = minimodel.share(
            made.manifest, made.file, consent=["serve"], allow=[other], home=made.home, progress=False
        )
        with shared, self.assertRaises((minimodel.NotFoundError, minimodel.StoppedError)):
            self.fetch(shared.offer, stall_timeout="1s")

    def test_library_of_a_companion_has_the_fetched_file(self) -> None:
        kit.run(self.home, "companion", "start")
        self.addCleanup(kit.run, self.home, "companion", "stop")
        offer = self.shared().offer
        fetched = minimodel.fetch(offer, consent=["fetch", "import", "cache"], home=self.home, progress=False)
        self.assertEqual(minimodel.path("tiny", home=self.home), fetched.path)
        (entry,) = minimodel.library(home=self.home)
        self.assertEqual((entry.model_id, entry.state, entry.cached), ("tiny", "ready", True))
        self.assertEqual((entry.path, entry.receipt), (fetched.path, fetched.receipt))
        status = minimodel.status(home=self.home)
        (transfer,) = status.transfers
        self.assertEqual((status.is_running, transfer.kind, transfer.state), (True, "fetch", "done"))
        self.assertEqual(transfer.have_bytes, transfer.total_bytes)

    def test_companion_takes_a_share_over_until_its_block_ends(self) -> None:
        made = kit.model()
        kit.run(self.home, "companion", "start")
        self.addCleanup(kit.run, self.home, "companion", "stop")
        with minimodel.share(made.manifest, made.file, consent=["serve"], home=self.home, progress=False) as shared:
            (transfer,) = minimodel.status(home=self.home).transfers
            self.assertEqual((transfer.kind, transfer.offer), ("share", shared.offer))
        self.assertEqual(minimodel.status(home=self.home).transfers, ())

    def test_without_companion_status_and_library_are_empty(self) -> None:
        status = minimodel.status(home=self.home)
        self.assertEqual((status.is_running, status.transfers, minimodel.library(home=self.home)), (False, (), []))


class EndOfShare(kit.Case):
    def test_share_ends_with_its_block_even_when_that_fails(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "of the block"):
            with self.shared() as shared:
                pid = shared._child.pid
                self.assertTrue(kit.is_running(pid))
                raise RuntimeError("of the block")
        self.assertFalse(kit.is_running(pid))
        self.assertTrue(shared.wait())

    def test_share_ends_with_the_last_reference_to_it(self) -> None:
        made = kit.model()
        shared = minimodel.share(made.manifest, made.file, consent=["serve"], home=made.home, progress=False)
        pid = shared._child.pid
        del shared
        gc.collect()
        kit.until("the share ends", lambda: not kit.is_running(pid))

    def test_share_ends_with_python(self) -> None:
        made = kit.model()
        words = [
            sys.executable,
            "-c",
            LEAVES_WITHOUT_STOP,
            str(made.manifest),
            str(made.file),
            str(made.home),
        ]
        ended = subprocess.run(words, capture_output=True, check=True, timeout=kit.PATIENCE)
        self.assertFalse(kit.is_running(int(ended.stdout)))
        self.assertEqual(ended.stderr, b"")

    def test_share_ends_with_python_that_is_killed(self) -> None:
        made = kit.model()
        program = LEAVES_WITHOUT_STOP + "sys.stdout.flush(); sys.stdin.read()"
        words = [sys.executable, "-c", program, str(made.manifest), str(made.file), str(made.home)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as python:
            assert python.stdout is not None
            pid = int(python.stdout.readline())
            self.assertTrue(kit.is_running(pid))
            python.kill()
        kit.until("the share ends", lambda: not kit.is_running(pid))

    def test_wait_says_whether_the_share_has_ended(self) -> None:
        shared = self.shared()
        self.assertFalse(shared.wait(0))
        shared.stop()
        self.assertTrue(shared.wait(0))
        shared.stop()

    def test_wait_raises_the_failure_that_ended_the_share(self) -> None:
        made = kit.model()
        shared = minimodel.share(made.manifest, made.file, consent=["serve"], home=made.home, progress=False)
        os.kill(shared._child.pid, 9)
        with self.assertRaisesRegex(minimodel.UnexpectedError, "SIGKILL") as raised:
            shared.wait(kit.PATIENCE)
        self.assertEqual(raised.exception.code, -9)
        with self.assertRaises(minimodel.UnexpectedError):
            shared.stop()

    def test_share_of_a_wrong_file_raises_with_its_report(self) -> None:
        made = kit.model()
        wrong = self.folder / "wrong.slm"
        wrong.write_bytes(made.file.read_bytes()[:-1] + b"x")
        with self.assertRaises(minimodel.VerificationError) as raised:
            minimodel.share(made.manifest, wrong, consent=["serve"], home=self.home, progress=False)
        self.assertIn("wrong.slm", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
