"""The kill campaign: `make chaos`; it takes its time, so pytest runs only a small one (tests/crash)."""
