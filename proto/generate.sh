#!/bin/sh
# Regenerates the committed protobuf modules, with the environment that `make setup` made
# (or the one that $PYTHON is of). CI runs it and fails when they differ.
set -eu
cd "$(dirname "$0")"
python="${PYTHON:-$PWD/../.venv/bin/python}"
PATH="$(dirname "$python"):$PATH" "$python" -m grpc_tools.protoc -I . \
    --python_out=. --grpc_python_out=. --mypy_out=. --mypy_grpc_out=. \
    podyard/proto/objects.proto podyard/proto/streaming.proto
