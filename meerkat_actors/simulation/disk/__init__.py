"""A disk under SQLite that fails where it is told to, and knows what a power cut would leave of it."""
