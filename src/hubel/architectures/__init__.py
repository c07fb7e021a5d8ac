"""The networks of the literature, one paper a file."""
