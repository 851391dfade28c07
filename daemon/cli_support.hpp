#pragma once
// cli_support.hpp - how a subcommand complains, and what the read model's failures come to.

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace uniqd {

// To stderr; returns the exit code.
int complain(const std::string& text, int exit_code);

// Of a list that was read with one more than `limit`: drops that one, and says that there are more.
template <class Row>
void cut_list(std::vector<Row>& list, std::size_t limit) {
  if (list.size() <= limit) return;
  list.resize(limit);
  (void)complain("there are more than these " + std::to_string(limit) + "; --limit says how many",
                 0);
}

// Runs `work`, which may throw what the read model throws; that is said, and its exit code
// returned.
[[nodiscard]] int with_read_model(const std::function<int()>& work);

}  // namespace uniqd
