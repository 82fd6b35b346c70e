"""Programs that ship with the library, to run and to copy from."""
