"""Layout of SQL statements: Jinja templates whose every output is a fragment that has been made safe. No decisions."""
