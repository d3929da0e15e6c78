"""Carries plans out, and looks at what they left: the only place outside install that changes a database."""
