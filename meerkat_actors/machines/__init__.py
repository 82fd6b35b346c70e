"""Pure decisions: no Trio, no SQL, no clock, no randomness, no logging."""
