"""End-to-end encryption for calls."""

__version__ = "0.1.0"
