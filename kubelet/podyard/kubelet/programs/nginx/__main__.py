"""`__main__.py SITE TLS [nginx' own arguments]`: SITE is where aiohttp is, TLS "PORT:CERT:KEY" or empty."""

import sys

sys.path.insert(0, __file__.rsplit("/", 5)[0])
sys.path.append(sys.argv[1])

from podyard.kubelet.programs.nginx.command import main

main(sys.argv[2], sys.argv[3:])
