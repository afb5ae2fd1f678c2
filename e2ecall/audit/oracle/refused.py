"""The one exception of the oracle."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(Exception):
    """peer.3: what is refused, at which `layer`, for which `reason`, and which `clause` asks for it.

    The layers are those of peer.3. The reason is the layer's name, except for a counter behind the window of frames:
    its layer is replay, its reason too-old.
    """

    def __init__(self, layer: str, clause: str, detail: str, *, reason: str | None = None) -> None:
        super().__init__(f"{reason or layer}: {detail} ({clause})")
        self.layer = layer
        self.reason = reason or layer
        self.clause = clause
