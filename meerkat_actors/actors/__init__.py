"""The owners: the only floor with long-lived nurseries and mutable state."""
