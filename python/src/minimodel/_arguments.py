"""Arguments of the program, written so that no value is read as a flag, and the environment it runs in."""

from __future__ import annotations

import os
from typing import Union

from ._errors import UsageError

StrPath = Union[str, "os.PathLike[str]"]

#: Variables of flags that this package gives itself.
_OURS = ("MINIMODEL_JSON", "MINIMODEL_QUIET", "MINIMODEL_VERBOSE", "MINIMODEL_PROGRESS", "MINIMODEL_COLOR")


def file(path: StrPath) -> str:
    """A path that begins with a folder: never a flag, and never an offer's text, whatever its name is."""
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"a path is text, not {text!r}")
    if not text:
        raise UsageError("the path is empty", None, "name a file or folder")
    return text if os.path.isabs(text) else os.path.join(os.curdir, text)


def offer(value: StrPath) -> str:
    """An offer: its text, which begins with `mm1`, or the file that holds it."""
    if isinstance(value, str) and value.strip().startswith("mm1"):
        return value.strip()
    return file(value)


def flags(**values: str | None) -> list[str]:
    """`--name=value` of each value that is given."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items() if value is not None]


def environment(home: StrPath | None) -> dict[str, str]:
    """The environment of the program: that of this process, with `home` as MINIMODEL_HOME."""
    kept = {name: value for name, value in os.environ.items() if name not in _OURS}
    if home is not None:
        kept["MINIMODEL_HOME"] = os.path.abspath(file(home))
    return kept
