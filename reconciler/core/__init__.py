"""The pure nouns of the trade: values and the functions about them; no I/O, clock, randomness, logging or threads."""
