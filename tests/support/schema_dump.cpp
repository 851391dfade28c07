#include "tests/support/schema_dump.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <stdexcept>

namespace uniqd::test {

std::string dump(const TestBed& bed) {
  const std::string command =
      fmt::format("pg_dump --schema '{}' '{}'", bed.schema, bed.sql_postgres);
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  if (!pipe) throw std::runtime_error("pg_dump cannot be run");
  std::string text;
  for (int byte = std::fgetc(pipe.get()); byte != EOF; byte = std::fgetc(pipe.get())) {
    text += static_cast<char>(byte);
  }
  return text;
}

}  // namespace uniqd::test
