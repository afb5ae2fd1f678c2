"""frame.5-3, frame.5-4: state that belongs to one object in one process.

A copy of a send counter, or the same counter in a forked child, seals two frames under one nonce: with AES-GCM that
gives away the authentication key. So owned objects refuse to be copied and pickled, and a child made by os.fork()
finds every one of them disabled before its first own instruction. What nothing here can see: a snapshot of the whole
virtual machine that is resumed twice.
"""

from __future__ import annotations

import os
import weakref
from contextlib import ExitStack
from typing import NoReturn

from e2ecall.errors import ApiMisuse

__all__ = ["Owned"]


class Owned:
    """Base of objects that are neither copied, pickled, nor used in a forked child."""

    __slots__ = ("__weakref__",)

    def __init__(self) -> None:
        _live[id(self)] = self

    def disable_after_fork(self) -> None:
        """Runs in the child of os.fork(); leaves the object such that every use of its secret state raises."""
        raise NotImplementedError

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        # pickle, copy.copy and copy.deepcopy all come here.
        raise ApiMisuse(f"a {type(self).__name__} cannot be pickled or copied", clause="frame.5-3")


_live: weakref.WeakValueDictionary[int, Owned] = weakref.WeakValueDictionary()  # by id: a subclass may have an __eq__


def _disable_all() -> None:
    with ExitStack() as all_of_them:  # each one runs, whatever another one raises
        for owned in tuple(_live.values()):
            all_of_them.callback(owned.disable_after_fork)


os.register_at_fork(after_in_child=_disable_all)


def refuse_after_fork() -> NoReturn:
    """What stands in the child where the parent has its counter."""
    raise ApiMisuse(
        "this state belongs to the process that made it, and this is a forked child",
        clause="frame.5-4",
        hint="make a new call in the child, or start it with subprocess or the 'spawn' method",
    )
