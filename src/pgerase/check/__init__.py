"""Judges a snapshot: findings, impacts and doors. Nothing here talks to a database."""
