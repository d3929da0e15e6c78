"""pgerase puts a company's privacy rules into PostgreSQL itself."""

from pgerase.session import as_viewer
from pgerase.tokens import SigningKey, sign_token

__version__ = "0.1.0.dev0"

__all__ = ["SigningKey", "__version__", "as_viewer", "sign_token"]
