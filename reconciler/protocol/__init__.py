"""Doors to mail servers (IMAP, SMTP); plug-ins register theirs through the entry point group `reconciler.protocols`."""
