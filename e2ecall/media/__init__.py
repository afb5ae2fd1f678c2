"""Sealed media: a pure transform, the aiortc plug-in around it, files, and the hop that sees nothing."""
