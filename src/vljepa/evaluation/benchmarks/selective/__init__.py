"""`evaluate selective`: how few decodes say as much of a stream as a decode every second does."""
