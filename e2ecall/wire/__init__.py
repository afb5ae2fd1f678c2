"""Message formats: one construct declaration per message, parsed to the last byte or refused with offset and path."""
