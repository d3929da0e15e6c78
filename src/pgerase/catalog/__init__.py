"""One frozen snapshot of what the database holds; read-only, and stable under any search_path."""
