"""Before anything else is imported: process.main sets what gRPC reads when it is."""

from __future__ import annotations

import podyard.process.main  # noqa: F401
