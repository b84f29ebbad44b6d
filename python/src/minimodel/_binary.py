"""Where the program is: in the scripts folder of the installation that this package belongs to, and nowhere else.

PATH is never searched, so that no program of that name in another folder is run.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from ._errors import BinaryError
from ._version import __version__

_NAME = "minimodel.exe" if os.name == "nt" else "minimodel"

#: Names a program to run instead of the installed one, by an absolute path.
VARIABLE = "MINIMODEL_BINARY"

#: Seconds that `--version` may take.
_PATIENCE = 60


def binary() -> Path:
    """The program's path. Raises `BinaryError` if it is not there or of another version than this package."""
    named = os.environ.get(VARIABLE)
    if named:
        if not os.path.isabs(named):
            raise BinaryError(
                f"{VARIABLE} is {named!r}, which is not absolute", None, "name the whole path of the program"
            )
        return _checked(named)
    searched = []
    for folder in _script_folders(Path(__file__).parent.parent):
        if (folder / _NAME).is_file():
            return _checked(str(folder / _NAME))
        searched.append(str(folder))
    raise BinaryError(
        "the program `minimodel` is not installed with this package",
        f"it is not in {', '.join(searched)}",
        f"install the wheel again, or name a program by {VARIABLE}",
    )


def _script_folders(packages: Path) -> Iterator[Path]:
    """The scripts folders that belong to a folder of packages, by each scheme of installation that has it."""
    seen = set()
    for scheme in sysconfig.get_scheme_names():
        for base in dict.fromkeys((sys.prefix, sys.base_prefix)):
            names = {"base": base, "platbase": base, "installed_base": base, "installed_platbase": base}
            paths = sysconfig.get_paths(scheme, names)
            folders = {os.path.realpath(paths["purelib"]), os.path.realpath(paths["platlib"])}
            if os.path.realpath(packages) in folders and paths["scripts"] not in seen:
                seen.add(paths["scripts"])
                yield Path(paths["scripts"])
    # `pip install --target` puts the scripts beside the packages.
    yield packages / "bin"


@functools.cache
def _checked(program: str) -> Path:
    hint = f"install the wheel of minimodel {__version__} again"
    try:
        run = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise BinaryError(f"cannot run {program}", str(error), hint) from error
    found = run.stdout.decode("utf-8", "replace").strip()
    if run.returncode != 0 or found != f"minimodel {__version__}":
        says = f"`--version` says {found!r}, exit code {run.returncode}"
        raise BinaryError(f"{program} is not minimodel {__version__}, as this package is", says, hint)
    return Path(program)
