"""Readers of other people's data: each turns one kind of source into rows, which `prepare` makes shards of."""
