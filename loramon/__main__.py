"""`python -m loramon`."""

import sys

from loramon.cli import main

sys.exit(main())
