"""Side-by-side runs against other packages; see README.md in this folder."""
