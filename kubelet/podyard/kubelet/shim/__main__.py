"""`python -I -S …/shim/__main__.py DIRECTORY FD NAMESPACE/POD`; FD is a control connection.

Isolated mode without the site module halves the start-up; the price is the next line.
"""

import sys

sys.path.insert(0, __file__.rsplit("/", 4)[0])

from podyard.kubelet.shim.sandbox import main

main(sys.argv[1], int(sys.argv[2]))
