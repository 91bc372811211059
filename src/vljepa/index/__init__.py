"""What is kept of media, and where vectors are searched; no model and no torch here."""
