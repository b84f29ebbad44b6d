"""`fetch`: a model file from peers who offered it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import _arguments as arguments
from . import _consent
from ._arguments import StrPath
from ._child import Child, Event
from ._consent import Action
from ._errors import UnexpectedError
from ._progress import Told, shown
from ._types import Publisher, Supply


@dataclass(frozen=True)
class Fetched:
    """A file that was fetched and checked. `open` and `Path` take it as its path."""

    path: Path
    receipt: Path
    #: True if the file was there already.
    was_here: bool
    #: Bytes that came in, and seconds that took; 0 if the file was there already.
    received_bytes: int
    seconds: float
    peers: tuple[Supply, ...]
    publisher: Publisher | None

    def __fspath__(self) -> str:
        return str(self.path)


def fetch(
    offer: StrPath | Iterable[StrPath],
    *,
    consent: Iterable[Action],
    local_dir: StrPath | None = None,
    manifest: StrPath | None = None,
    publisher_key: str | None = None,
    accept_publisher_key: str | None = None,
    down: str | None = None,
    stall_timeout: str | None = None,
    progress: Told = True,
    home: StrPath | None = None,
) -> Fetched:
    """Fetches a model file, proves every chunk of it, and puts it with its receipt into a folder. A later call resumes.

    `offer` is an offer's text (`mm1...`), a file that holds it, or several of them. `local_dir` is the folder; without
    it the file goes into the library of the companion that runs. `manifest` is a manifest that is there already;
    without it the first peer is asked for it. `consent` must hold `fetch` and `import`, and `cache` for the library;
    with `serve` and `publish` other peers are served meanwhile. `down` is a rate (`"8MiB"`), `stall_timeout` a duration
    (`"2m"`). `publisher_key` demands the key that signed, `accept_publisher_key` accepts one that is not the known one.

    Raises a `MinimodelError`; `is_resumable` says whether the same call can go on. Ctrl-C stops the program in good
    order.
    """
    required: tuple[Action, ...] = ("fetch", "import") if local_dir is not None else ("fetch", "import", "cache")
    agreed = _consent.flag(consent, required, "fetch")
    offers = [offer] if isinstance(offer, (str, os.PathLike)) else list(offer)
    texts = [arguments.offer(each) for each in offers]
    words = ["fetch", agreed, "--end-with-stdin"]
    if manifest is None:
        words += [f"--offer={text}" for text in texts[:1]] + [f"--peer={text}" for text in texts[1:]]
    else:
        words += [f"--peer={text}" for text in texts] + [arguments.file(manifest)]
    words += arguments.flags(
        out=None if local_dir is None else arguments.file(local_dir),
        publisher_key=publisher_key,
        accept_publisher_key=accept_publisher_key,
        down=down,
        stall_timeout=stall_timeout,
    )
    with shown(progress) as tell, Child(words, home, progress=tell is not None) as child:
        end: Event | None = None
        for event in child.output.events():
            if event["event"] == "progress" and tell is not None:
                tell(event)
            elif event["event"] in ("done", "already-here"):
                end = event
        child.finish()
    if end is None:
        raise UnexpectedError("the program fetched a file and did not say where it is")
    return _fetched(end, local_dir)


def _fetched(end: Event, local_dir: StrPath | None) -> Fetched:
    path, receipt = Path(end["path"]), Path(end["receipt"])
    if local_dir is not None:
        # The caller's own spelling: JSON cannot carry a folder whose name is not UTF-8.
        path, receipt = Path(local_dir, path.name), Path(local_dir, receipt.name)
    supplies = end.get("peers", {}).items()
    return Fetched(
        path,
        receipt,
        end["event"] == "already-here",
        end.get("received_bytes", 0),
        end.get("seconds", 0.0),
        tuple(Supply(peer, each["bytes"], each["chunks"], each["rejected"]) for peer, each in supplies),
        Publisher.from_json(end.get("publisher")),
    )
