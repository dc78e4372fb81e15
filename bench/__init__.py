"""Measures fetching beside other programs, on a private Dovecot; not part of the package and of no test's verdict."""
