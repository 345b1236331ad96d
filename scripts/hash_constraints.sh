#!/bin/sh
# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
# Writes constraints.hashes.txt from constraints.txt and setup.py. Needs uv.
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Torch's file depends on the index and on the GPU, so it has no one hash.
grep -v '^torch==' constraints.txt > "$folder/pins.txt"
echo "torch; python_version < '3'" > "$folder/without.txt"
uv pip compile --quiet --universal --generate-hashes --python-version 3.10 --no-header --no-annotate \
  --constraint "$folder/pins.txt" --override "$folder/without.txt" \
  --extra ros --extra sim --extra report --extra train --extra test setup.py --output-file "$folder/hashes.txt"
sed -n '/^#/p;/^#/!q' constraints.hashes.txt > "$folder/head.txt"
cat "$folder/head.txt" "$folder/hashes.txt" > constraints.hashes.txt
