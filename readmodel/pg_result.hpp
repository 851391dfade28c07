#pragma once
// pg_result.hpp - what libpq answers, owned; for those who talk to it below libpqxx.

#include <libpq-fe.h>

#include <memory>
#include <string>

namespace uniqd {

struct ClearPgResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using PgResult = std::unique_ptr<PGresult, ClearPgResult>;

// Of an error's text only the first line: what follows may quote a row.
[[nodiscard]] inline std::string first_line(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace uniqd
