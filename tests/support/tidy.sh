#!/usr/bin/env bash
# clang-tidy over every source file of the tree that the given build folder compiles; fails on a finding.
#
#   tidy.sh BUILD_DIR
set -euo pipefail

build=${1:?usage: tidy.sh BUILD_DIR}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

mapfile -t files < <(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$build/compile_commands.json" |
  grep -E "^$root/(commands|config|daemon|readmodel)/" | sort -u)
[ ${#files[@]} -gt 0 ] || { echo "tidy: $build compiles nothing of $root; run: make build" >&2; exit 1; }

check() {
  local said
  # What it says on success is a count of warnings it was told not to show.
  said=$(clang-tidy-14 -p "$1" --quiet "$2" 2>/dev/null) || { echo "$said"; return 1; }
}
export -f check

printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -I{} bash -c 'check "$1" "$2"' - "$build" {}
echo "tidy: ${#files[@]} files, no finding"
