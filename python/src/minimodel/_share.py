"""`share`: serves a model file to the peers who hold its offer, for as long as a block runs."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import TracebackType

from . import _arguments as arguments
from . import _consent
from ._arguments import StrPath
from ._child import Child, Event, Output
from ._consent import Action
from ._errors import StoppedError, UsageError
from ._progress import Told, shown
from ._types import Publisher


class _Serving:
    """What is known of a share while it runs; the thread that reads it knows nothing else."""

    def __init__(self, output: Output, offer: Event) -> None:
        self.offer: str = offer["offer"]
        self.peer: str = offer["peer"]
        self.publisher = Publisher.from_json(offer.get("publisher"))
        self.sent_bytes = 0
        self.reader = threading.Thread(target=self._read, args=(output,), name="minimodel share", daemon=True)
        self.reader.start()

    def _read(self, output: Output) -> None:
        for event in output.events():
            if event["event"] == "offer-renewed":
                self.offer = event["offer"]
            self.sent_bytes = event.get("sent_bytes", self.sent_bytes)


class Share:
    """A share that runs. As a context manager it ends with its block; it also ends with the last reference to it."""

    def __init__(self, child: Child, offer: Event) -> None:
        self._child = child
        self._serving = _Serving(child.output, offer)

    @property
    def offer(self) -> str:
        """The offer (`mm1...`) for those who may fetch; a share that runs for days signs a new one in time."""
        return self._serving.offer

    @property
    def peer(self) -> str:
        """The peer id of this user."""
        return self._serving.peer

    @property
    def publisher(self) -> Publisher | None:
        """The publisher of the manifest."""
        return self._serving.publisher

    @property
    def sent_bytes(self) -> int:
        """Bytes sent so far, as the program told last; exact after `stop` where no companion runs."""
        return self._serving.sent_bytes

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the share ends by itself, `timeout` seconds at most; True if it has ended.

        Raises the failure that ended it, for instance `VerificationError` if the file changed.
        """
        self._serving.reader.join(timeout)
        if self._serving.reader.is_alive():
            return False
        self._child.finish()
        return True

    def stop(self) -> None:
        """Ends the share in good order. Raises the failure if one had ended it before."""
        self._child.stop()
        self.wait()

    def __enter__(self) -> Share:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.stop()
        if error is None:
            self.wait()


def share(
    manifest: StrPath,
    path: StrPath,
    *,
    consent: Iterable[Action],
    allow: Iterable[str] | None = None,
    listen: str | None = None,
    advertise: Iterable[str] = (),
    up: str | None = None,
    progress: Told = True,
    home: StrPath | None = None,
) -> Share:
    """Checks a model file in full and serves it, once it is checked, to peers who hold the offer.

    `consent` must hold `serve`; with `publish`, peers may pass on that this machine has the file. `allow` are the peer
    ids that are served; None: all peers that hold the offer. `listen` and `advertise` are addresses
    (`"0.0.0.0:4000"`), `up` is a rate (`"8MiB"`).

    Returns when the offer is there. Raises a `MinimodelError`, for instance `VerificationError` if the file is wrong.
    """
    words = ["seed", _consent.flag(consent, ("serve",), "share"), "--end-with-stdin"]
    if allow is not None:
        peers = [f"--allow={peer}" for peer in allow]
        if not peers:
            # The program reads no peer as every peer.
            raise UsageError("allow is an empty list, which serves no peer", None, "name peers, or leave allow out")
        words += peers
    words += [f"--advertise={address}" for address in advertise]
    words += arguments.flags(listen=listen, up=up)
    words += [arguments.file(manifest), arguments.file(path)]
    with shown(progress) as tell:
        child = Child(words, home, progress=tell is not None)
        try:
            for event in child.output.events():
                if event["event"] == "progress" and tell is not None:
                    tell(event)
                elif event["event"] == "offer":
                    return Share(child, event)
            child.finish()
        except BaseException:
            child.stop()
            raise
    raise StoppedError("the share ended before it had an offer", "something stopped the program")
