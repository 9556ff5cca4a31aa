"""`__main__.py SITE [nslookup's arguments]`: SITE is where dnslib is."""

import sys

sys.path.insert(0, __file__.rsplit("/", 5)[0])
sys.path.append(sys.argv[1])

from podyard.kubelet.programs.nslookup.command import main

try:
    sys.exit(main(sys.argv[2:]))
except OSError as problem:
    sys.exit(f"nslookup: {problem}")
