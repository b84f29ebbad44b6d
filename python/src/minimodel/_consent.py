"""Consent: the actions that the user agreed to, checked before the program starts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from ._errors import ConsentError, UsageError

#: One action that a user can agree to; docs/consent.md says what each permits.
Action = Literal["fetch", "import", "serve", "cache", "publish", "lan", "dht", "map", "executable"]


def flag(consent: Iterable[Action], required: Iterable[Action], verb: str) -> str:
    """`--consent=...` for these actions.

    Raises `TypeError` for what is no collection of words, `UsageError` for an unknown action, and `ConsentError` if a
    required one is missing.
    """
    if isinstance(consent, (str, bytes)) or not isinstance(consent, Iterable):
        raise TypeError(f"consent is a list of actions, as in consent={list(required)}, not {consent!r}")
    agreed = list(consent)
    for action in agreed:
        if action not in get_args(Action):
            known = ", ".join(get_args(Action))
            raise UsageError(f"{action!r} is no action to consent to", None, f"the actions are {known}")
    missing = [action for action in required if action not in agreed]
    if missing:
        raise ConsentError(
            f"{verb} needs consent to {' and '.join(missing)}; nothing was dialed or written",
            None,
            f"if the user agrees: consent={list(required)}",
        )
    return "--consent=" + ",".join(dict.fromkeys(agreed))
