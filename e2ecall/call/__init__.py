"""The handshake, identities and SFrame composed into calls, still without IO."""
