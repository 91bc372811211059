"""Why the service says no, in its own words; what a protocol makes of each kind is the protocol's business.

Every refusal is one sentence with what to do instead. A plain ValueError means that the request itself is wrong.
"""


class Refusal(ValueError):
    """The service says no."""


class TooLarge(Refusal):
    """More bytes, pixels, seconds or items than the limits allow."""


class NotMedia(Refusal):
    """What was given is no picture and no video."""


class NotFound(Refusal):
    """There is no such medium, stream, job or library."""


class Forbidden(Refusal):
    """It lies where the service was not told to look."""


class Stranger(Refusal):
    """Who asks has not shown who it is."""


class TooSlow(Refusal):
    """What was announced did not arrive in time."""


class Busy(Refusal):
    """All places are taken: try again in `after` seconds. `own`: by what the client itself has opened."""

    def __init__(self, sentence: str, *, after: float = 1.0, own: bool = False) -> None:
        super().__init__(sentence)
        self.after, self.own = after, own
