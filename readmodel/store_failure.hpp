#pragma once
// store_failure.hpp - a failure of the store, as those who must react to it need it.

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace uniqd {

// Not of PostgreSQL: the read model is of other rules than the program.
inline constexpr std::string_view rules_changed_sqlstate = "UQ001";
// PostgreSQL's character_not_in_repertoire: no UTF-8, or a NUL.
inline constexpr std::string_view not_utf8_sqlstate = "22021";

// Thrown by everything that talks to PostgreSQL, and by nothing else. After one, the transaction
// at hand is over, and whether it took effect is known only by reading the position under lock.
class StoreFailure : public std::runtime_error {
 public:
  // `sqlstate` is empty where the server gave none (no connection, answer lost).
  StoreFailure(std::string sqlstate, const std::string& text)
      : std::runtime_error(text), sqlstate_(std::move(sqlstate)) {}

  [[nodiscard]] const std::string& sqlstate() const { return sqlstate_; }

 private:
  std::string sqlstate_;
};

}  // namespace uniqd
