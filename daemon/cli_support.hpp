#pragma once
// cli_support.hpp - how a subcommand complains, and what the read model's failures come to.

#include <functional>
#include <string>

namespace uniqd {

// To stderr; returns the exit code.
int complain(const std::string& text, int exit_code);

// Runs `work`, which may throw what the read model throws; that is said, and its exit code
// returned.
[[nodiscard]] int with_read_model(const std::function<int()>& work);

}  // namespace uniqd
