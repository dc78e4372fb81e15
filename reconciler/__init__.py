"""Technical mailboxes as YAML in Git: validated, planned, reconciled, fetched fairly and routed to the right person."""

__version__ = "0.1.0"
