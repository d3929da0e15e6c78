"""Rule files as typed, frozen values with positions; knows nothing of any database."""
