"""Frozen values, one noun a file."""
