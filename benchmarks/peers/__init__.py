"""The other packages: `NAME.txt` pins an environment, `NAME.py` holds the functions that run in it."""
