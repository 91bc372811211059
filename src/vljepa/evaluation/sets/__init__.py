"""Other people's benchmarks: a reader for each, which turns its annotation files into items and says what to expect."""
