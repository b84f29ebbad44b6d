"""The examples of docs/python.md are run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import unittest

import minimodel
from tests import kit

PAGE = kit.REPOSITORY / "docs" / "python.md"


def examples() -> list[str]:
    """The blocks of Python on the page."""
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


class Examples(kit.Case):
    def run_example(self, program: str, typed: str = "") -> str:
        """What an example prints, run in this test's folder by a Python of its own; it must not fail or complain."""
        run = subprocess.run(
            [sys.executable, "-c", program],
            input=typed,
            capture_output=True,
            cwd=self.folder,
            env={**os.environ, "MINIMODEL_HOME": str(self.home)},
            encoding="utf-8",
            timeout=kit.PATIENCE,
        )
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return run.stdout

    def test_page_begins_with_five_lines_that_fetch(self) -> None:
        page = PAGE.read_text(encoding="utf-8")
        first = examples()[0]
        self.assertTrue(page.startswith(f"# Python\n\n```python\n{first}"))
        self.assertEqual(len(first.splitlines()), 5)
        answer = self.run_example(first, self.shared().offer)
        self.assertRegex(answer, r"^offer: models/tiny-1\.slm verified ed25519:[0-9a-f]{64}\n$")
        self.assertEqual((self.folder / "models/tiny-1.slm").read_bytes(), kit.model().file.read_bytes())

    def test_other_examples_run(self) -> None:
        made = kit.model()
        shutil.copy(made.manifest, self.folder / "model.minimodel")
        shutil.copy(made.file, self.folder / "model.slm")
        for example in examples()[1:]:
            with self.subTest(example):
                # No peer fetches here: the share need not last for an hour.
                program = example.replace("timeout=3600", "timeout=0.1")
                self.assertRegex(self.run_example(program), r"^(mm1\w+\n|(\d+%\n)*)$")

    def test_readme_of_the_package_has_the_same_lines(self) -> None:
        readme = (kit.REPOSITORY / "python" / "README.md").read_text(encoding="utf-8")
        self.assertIn(examples()[0], readme)

    def test_page_names_every_function_and_every_public_error(self) -> None:
        page = PAGE.read_text(encoding="utf-8")
        for name in minimodel.__all__:
            public = getattr(minimodel, name)
            if callable(public) and ((name[0].islower() and name != "binary") or name.endswith("Error")):
                self.assertIn(f"`{name}", page)


if __name__ == "__main__":
    unittest.main()
