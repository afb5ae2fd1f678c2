"""Driving implementations over newline JSON (spec/peer.md): this project's own peer; the runner grows here."""
