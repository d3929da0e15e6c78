"""The whole story on a private PostgreSQL: what rules do to a real database, told with what the database and the commands say.

Nothing here knows rules or policies: it runs the commands as a person would, and looks at the tables as an application does.
"""
