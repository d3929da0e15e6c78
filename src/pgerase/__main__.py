"""`python -m pgerase`."""

import sys

from pgerase.cli.main import main

sys.exit(main())
