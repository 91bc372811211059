"""Benchmarks by name, each a function from an embedder and a folder to rows of a report."""
