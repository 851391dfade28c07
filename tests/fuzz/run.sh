#!/usr/bin/env bash
# Builds the fuzz targets with clang and the address and undefined-behaviour sanitizers, and runs each for
# some seconds on its seeds and on what earlier runs have found worth keeping.
#
#   run.sh SECONDS [FOLDER [TARGET...]]      FOLDER: build/fuzz
#
# Exit code 1 where a target failed; what it failed on is then in FOLDER/findings, and belongs in
# tests/fuzz/corpus/TARGET once it is mended.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
seconds=${1:?usage: run.sh SECONDS [FOLDER [TARGET...]]}
folder=${2:-$root/build/fuzz}
targets=("${@:3}")
if (( ${#targets[@]} == 0 )); then targets=(decode config normalize); fi

if ! command -v clang++-14 >/dev/null; then
  echo "clang++-14 is missing; run: make packages" >&2
  exit 1
fi
mkdir -p "$folder/findings"
cmake -G Ninja -S "$root" -B "$folder" -DUNIQD_FUZZ=ON -DCMAKE_C_COMPILER=clang-14 \
  -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1" \
  -DUNIQD_SANITIZE=fuzzer-no-link,address,undefined >"$folder/cmake.txt" || {
  cat "$folder/cmake.txt" >&2
  exit 1
}
cmake --build "$folder" --target "${targets[@]/%/_fuzz}" >"$folder/build.txt" || {
  cat "$folder/build.txt" >&2
  exit 1
}

# The sanitizer's limit of memory keeps the input that broke it; libFuzzer's own may hang instead.
export ASAN_OPTIONS=soft_rss_limit_mb=2048

failed=0
for target in "${targets[@]}"; do
  kept=$folder/corpus-$target
  seeds=("$here/corpus/$target")
  # Records as each system writes them are good seeds.
  if [ "$target" = decode ]; then seeds+=("$here/../unit/fixtures"); fi
  mkdir -p "$kept"
  log=$folder/$target.log
  if timeout -s KILL $((seconds + 120)) "$folder/${target}_fuzz" -max_total_time="$seconds" -timeout=10 \
    -rss_limit_mb=0 -artifact_prefix="$folder/findings/$target-" "$kept" "${seeds[@]}" >"$log" 2>&1; then
    echo "$target: nothing found in $(sed -n 's/^Done \([0-9]* runs in [0-9]*\) second.*/\1/p' "$log") s"
  else
    failed=1
    echo "$target: FAILED, see $log and $folder/findings"
    tail -n 40 "$log"
  fi
done
exit $failed
