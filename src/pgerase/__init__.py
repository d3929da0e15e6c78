"""pgerase puts a company's privacy rules into PostgreSQL itself."""

from pgerase.session import as_viewer

__version__ = "0.1.0.dev0"

__all__ = ["__version__", "as_viewer"]
