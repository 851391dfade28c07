#!/usr/bin/env bash
# Runs the tests of a build folder tier by tier and adds them up.
#
#   run_tests.sh BUILD_DIR TIER...
#
# A tier is a ctest label; one that has a folder tests/TIER with a CMakeLists.txt must have tests. Counted
# are doctest's test cases, or one for a test that is no doctest binary. A case that cannot run prints a
# line "SKIPPED: NAME: why" and returns; it is counted as skipped and named at the end.
# The last line is `N passed, N failed, N skipped`; exit code 1 if anything failed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${1:?usage: run_tests.sh BUILD_DIR TIER...}
shift
log=$build/Testing/Temporary/LastTest.log
said=$build/Testing/ctest-said.txt
results=$build/test-results.txt
mkdir -p "$build/Testing"
: >"$results"

# One line a test: passed, failed, skipped, name; and a line "SKIPPED: ..." for each case skipped. The
# verdict is in what ctest says, doctest's count in its log, which calls skipped tests passed.
count_tests() {
  awk '
    FNR == NR && match($0, /Test +#[0-9]+: /) {
      said = substr($0, RSTART + RLENGTH); name = said; sub(/ .*/, "", name)
      verdict[name] = said ~ /\*\*\*Skipped/ ? "skipped" : said ~ / Passed / ? "passed" : "failed" }
    FNR == NR { next }
    /^[0-9]+\/[0-9]+ Testing: / { name = $0; sub(/^[^:]*: /, "", name)
                                  passed = failed = skipped = doctest = 0 }
    /^\[doctest\] test cases:/  { split($0, part, "|"); doctest = 1
                                  passed += part[2] + 0; failed += part[3] + 0 }
    /^SKIPPED: /                { skipped++; print }
    /^".*" end time: /          {
      if (verdict[name] == "skipped") { skipped++; print "SKIPPED: " name }
      else if (doctest) passed -= skipped
      else if (verdict[name] == "passed") passed = 1
      if (verdict[name] == "failed" && failed == 0) failed = 1
      if (passed + failed + skipped == 0) { failed = 1; print "no test case ran in " name >"/dev/stderr" }
      print "tally", passed, failed, skipped, name }
  ' "$said" "$log" >>"$results"
}

run_tier() {
  local tier=$1 result=0 failed_before
  echo "== $tier"
  rm -f "$log"
  failed_before=$(count_failed)
  ctest --test-dir "$build" -L "^$tier\$" --no-tests=error --output-on-failure --timeout 900 |
    tee "$said" || result=$?
  if [ -f "$log" ]; then count_tests; fi
  # Whatever ctest holds against the tier and its log does not show is one failure.
  if [ $result -ne 0 ] && [ "$(count_failed)" = "$failed_before" ]; then
    echo "tally 0 1 0 $tier" >>"$results"
  fi
}

count_failed() { awk '$1 == "tally" { failed += $3 } END { print failed + 0 }' "$results"; }

for tier in "$@"; do
  if [ -f "$here/../$tier/CMakeLists.txt" ]; then run_tier "$tier"; fi
done

if grep -q '^SKIPPED: ' "$results"; then
  echo
  echo "Not run:"
  sed -n 's/^SKIPPED: /  /p' "$results"
fi
awk '$1 == "tally" { passed += $2; failed += $3; skipped += $4 }
     END { if (passed + failed == 0) failed = 1
           printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 }' "$results"
