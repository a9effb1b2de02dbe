import sys

from ablestack_api.cli import main

sys.exit(main())
