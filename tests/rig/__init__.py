"""Real mail servers for the tests, each in its own process on 127.0.0.1, and a scripted one for misbehaving."""
