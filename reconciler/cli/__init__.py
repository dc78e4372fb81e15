"""The command line: thin modules per command family that wire the other packages together."""
