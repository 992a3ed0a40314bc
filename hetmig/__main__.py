"""`python -m hetmig` is the `hetmig` command, for when it is not on the path."""

import sys

from hetmig.cli import main

sys.exit(main())
