"""`python -m vljepa.cli` is `vljepa`."""

import sys

from vljepa.cli.main import main

sys.exit(main())
