"""Jobs: the one door (`service`), the index, states."""
