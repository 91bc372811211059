"""A value as JSON on one line."""

import json
import re
from typing import Any

_HALF_CHARACTERS = re.compile("[\ud800-\udfff]")


def json_line(value: Any) -> str:
    """Letters of all scripts as they are, no NaN (ValueError), and text that every encoding can hold.

    Bytes of file names that are no text become half characters in JSON's writing, so that a reader gets the name back.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _HALF_CHARACTERS.sub(lambda half: f"\\u{ord(half[0]):04x}", text)
