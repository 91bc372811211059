"""Models behind one protocol, so that everybody is measured on exactly the same items in exactly the same way."""
