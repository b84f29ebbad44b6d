"""`verify`: a model file against its manifest."""

from __future__ import annotations

from . import _arguments as arguments
from ._arguments import StrPath
from ._child import Child
from ._errors import UnexpectedError
from ._progress import Told, shown
from ._types import Report


def verify(
    manifest: StrPath,
    path: StrPath,
    *,
    publisher_key: str | None = None,
    accept_publisher_key: str | None = None,
    progress: Told = True,
    home: StrPath | None = None,
) -> Report:
    """Makes every check of a manifest, its signature and its whole file, without a network. Returns the checks.

    Raises `VerificationError` if the file is wrong, `InvalidError` if the manifest is, `MismatchError` if its key is
    not the one that is known or demanded; the exception's `report` has the checks.
    """
    words = ["verify-artifact"]
    words += arguments.flags(publisher_key=publisher_key, accept_publisher_key=accept_publisher_key)
    words += [arguments.file(manifest), arguments.file(path)]
    with shown(progress) as tell, Child(words, home, progress=tell is not None) as child:
        for event in child.output.events():
            if event["event"] == "progress" and tell is not None:
                tell(event)
        child.finish()
        report = child.output.report
    if report is None:
        raise UnexpectedError("the program did not answer with a report")
    return report
