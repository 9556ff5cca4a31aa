"""`python -m podyard.cli.cluster.pods DATA_DIR`: end every pod process, from within the namespaces."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from podyard.kubelet.command import stop_all_pods

if __name__ == "__main__":
    asyncio.run(stop_all_pods(Path(sys.argv[1])))
