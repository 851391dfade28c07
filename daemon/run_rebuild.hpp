#pragma once
// run_rebuild.hpp - `uniqd rebuild`: the topic replayed into a new generation of the read model.

#include <cstdint>

#include "config/settings.hpp"

namespace uniqd {

struct RebuildArguments {
  bool verifies = false;  // compare only
  bool sends = false;     // what is newly found is sent, not only reported
  bool is_anew = false;   // whatever the read model in use knows of the topic counts for nothing
  bool as_json = false;
  std::uint64_t memory_max_mib = 0;  // from there on it goes more slowly, batch by batch
};

// Shows its progress on stderr and its report on stdout. Returns an exit code; 1 where --verify has
// found a difference.
int run_rebuild(const Settings& settings, const RebuildArguments& arguments);

}  // namespace uniqd
