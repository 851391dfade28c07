#pragma once
// fetch_ahead.hpp - going through many things whose turn is waited for in memory.

#include <cstddef>

namespace uniqd {

// Calls `take` with each of the items in turn, and `fetch` with one some turns before its own,
// which is to have the CPU fetch what its turn will ask for: tables are larger than any cache, and
// memory is to have answered by then. `items` is indexed, and is not changed meanwhile.
template <class Items, class Fetch, class Take>
void each_fetched_ahead(const Items& items, Fetch fetch, Take take) {
  constexpr std::size_t ahead = 8;
  for (std::size_t index = 0; index < items.size(); ++index) {
    if (index + ahead < items.size()) fetch(items[index + ahead]);
    take(items[index]);
  }
}

}  // namespace uniqd
