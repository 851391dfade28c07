#!/usr/bin/env bash
# Prints how many instructions the pure path (decode, judge, decide, apply) takes an event.
#
#   count_instructions.sh PROGRAM          build/pure_path
#
# valgrind shows programs the same processor everywhere, and simdjson is told which code to use, so
# that the count depends on the compiler and the libraries, hardly on the machine.
set -euo pipefail

program=${1:?usage: count_instructions.sh PROGRAM}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

SIMDJSON_FORCE_IMPLEMENTATION=haswell valgrind --tool=callgrind --collect-atstart=no \
  --toggle-collect=uniqd_pure_path --callgrind-out-file="$folder/counts" "$program" \
  >"$folder/said" 2>"$folder/errors" || { cat "$folder/errors" >&2; exit 1; }
events=$(sed -n 's/^events: //p' "$folder/said")
total=$(sed -n 's/^summary: //p' "$folder/counts")
[ "${total:-0}" -gt 0 ] || { echo "callgrind counted nothing; see valgrind --version" >&2; exit 1; }
echo $((total / events))
