"""Sealing, signing, anchoring, verifying and exporting the log. What is hashed is decided in `sql/routines`; signatures are made here."""
