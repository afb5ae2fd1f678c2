"""Who one is: the device's identity key. Contacts, continuity and the ledger grow here."""

from e2ecall.identity.device import fresh_identity

__all__ = ["fresh_identity"]
