"""`python -I -S __main__.py [curl's arguments]`."""

import sys

sys.path.insert(0, __file__.rsplit("/", 5)[0])

from podyard.kubelet.programs.curl.command import main

sys.exit(main(sys.argv[1:]))
