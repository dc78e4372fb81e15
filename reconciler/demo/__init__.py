"""The demo's own mail servers on loopback and the story they play (extra `demo`)."""
