"""A Marathon-like framework in small: keeps N instances of each app running. See README.md."""
