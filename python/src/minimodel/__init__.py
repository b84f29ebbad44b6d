"""Model files between peers, through the program `minimodel` that this package carries.

Each function runs the program once, without a shell, and reads its JSON; nothing here speaks to a network. Consent is
an argument that cannot be left out. A failure is a `MinimodelError`, of one class for each exit code of the program.
"""

from ._binary import binary
from ._consent import Action
from ._errors import (
    BinaryError,
    BusyError,
    ConsentError,
    DiskFullError,
    FileAccessError,
    InterruptedRunError,
    InvalidError,
    MinimodelError,
    MismatchError,
    NotFoundError,
    ProtocolError,
    QuotaError,
    StoppedError,
    TerminatedError,
    UnexpectedError,
    UsageError,
    VerificationError,
)
from ._fetch import Fetched, fetch
from ._library import Entry, library, path
from ._progress import Progress
from ._receipt import GivenConsent, Receipt, receipt
from ._share import Share, share
from ._status import Status, Transfer, status
from ._types import Check, Publisher, Report, Supply
from ._verify import verify
from ._version import __version__

__all__ = [
    "Action",
    "BinaryError",
    "BusyError",
    "Check",
    "ConsentError",
    "DiskFullError",
    "Entry",
    "Fetched",
    "FileAccessError",
    "GivenConsent",
    "InterruptedRunError",
    "InvalidError",
    "MinimodelError",
    "MismatchError",
    "NotFoundError",
    "Progress",
    "ProtocolError",
    "Publisher",
    "QuotaError",
    "Receipt",
    "Report",
    "Share",
    "Status",
    "StoppedError",
    "Supply",
    "TerminatedError",
    "Transfer",
    "UnexpectedError",
    "UsageError",
    "VerificationError",
    "__version__",
    "binary",
    "fetch",
    "library",
    "path",
    "receipt",
    "share",
    "status",
    "verify",
]
