"""The one error for an index that cannot be used."""


class IndexFolderError(ValueError):
    """An index that cannot be opened, written or searched; the sentence says what to do."""
