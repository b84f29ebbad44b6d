"""Which program is run: that of this installation and version, and never one from PATH."""

from __future__ import annotations

import os
import sys
import sysconfig
import unittest
from pathlib import Path
from unittest import mock

import minimodel
from minimodel import _binary
from tests import kit


class Binary(kit.Case):
    def test_version_is_that_of_the_program_and_of_the_workspace(self) -> None:
        self.assertTrue(minimodel.binary().is_absolute())
        workspace = (kit.REPOSITORY / "Cargo.toml").read_text(encoding="utf-8")
        self.assertIn(f'\nversion = "{minimodel.__version__}"\n', workspace)

    def test_program_of_another_version_is_refused_with_both(self) -> None:
        self.stand_in("", version="9.9.9")
        with self.assertRaises(minimodel.BinaryError) as raised:
            minimodel.status()
        self.assertIn("9.9.9", str(raised.exception))
        self.assertIn(minimodel.__version__, str(raised.exception))

    def test_what_is_no_program_is_refused(self) -> None:
        self.set_variable("MINIMODEL_BINARY", str(kit.model().manifest))
        with self.assertRaisesRegex(minimodel.BinaryError, "cannot run"):
            minimodel.status()
        self.set_variable("MINIMODEL_BINARY", "minimodel")
        with self.assertRaisesRegex(minimodel.BinaryError, "not absolute"):
            minimodel.status()

    def test_program_on_path_or_in_this_folder_is_never_run(self) -> None:
        fake = self.folder / "minimodel"
        fake.write_text(f"#!/bin/sh\ntouch '{self.folder}/ran'\necho minimodel {minimodel.__version__}\n")
        fake.chmod(0o700)
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        self.set_variable("PATH", str(self.folder))
        self.set_variable("MINIMODEL_BINARY", "")
        with mock.patch.object(_binary, "__file__", str(self.folder / "packages" / "minimodel" / "_binary.py")):
            with self.assertRaisesRegex(minimodel.BinaryError, "not installed") as raised:
                minimodel.binary()
        self.assertIn(str(self.folder / "packages" / "bin"), str(raised.exception))
        self.assertFalse((self.folder / "ran").exists())

    def test_scripts_folder_is_that_of_the_packages_folder(self) -> None:
        packages = Path(sysconfig.get_path("purelib"))
        folders = list(_binary._script_folders(packages))
        self.assertEqual(folders[0], Path(sysconfig.get_path("scripts")))
        if sys.prefix != sys.base_prefix:
            base = {"base": sys.base_prefix, "platbase": sys.base_prefix}
            system = Path(sysconfig.get_path("purelib", "posix_prefix", base))
            scripts = Path(sysconfig.get_path("scripts", "posix_prefix", base))
            self.assertIn(scripts, list(_binary._script_folders(system)))
            self.assertNotIn(folders[0], list(_binary._script_folders(system)))
        self.assertEqual(list(_binary._script_folders(self.folder)), [self.folder / "bin"])


if __name__ == "__main__":
    unittest.main()
