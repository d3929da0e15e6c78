"""pgerase puts a company's privacy rules into PostgreSQL itself."""

__version__ = "0.1.0.dev0"
