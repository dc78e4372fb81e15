"""Doors to mail servers (IMAP, POP3, Maildir, SMTP); plug-ins register theirs through the entry point group
`reconciler.protocols`.
"""
