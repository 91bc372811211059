"""What the training corpus is made of: one `Corpus` a file; a new source is a new file and a line in `names.py`."""
