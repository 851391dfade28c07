#pragma once
// pg_schema.hpp - a schema of one's own for tests of the stores, gone at the end.

#include <algorithm>
#include <string>

#include "readmodel/pg_session.hpp"
#include "readmodel/schema.hpp"
#include "tests/support/kafka_admin.hpp"
#include "tests/support/services.hpp"

namespace uniqd::test {

class PgSchema {
 public:
  PgSchema() {
    std::string name = unique_name("stores");
    std::ranges::replace(name, '-', '_');
    target = {Services::get().postgres, name};
  }
  ~PgSchema() {
    try {
      PgSession(target).run("DROP SCHEMA IF EXISTS \"" + target.schema + "\" CASCADE");
    } catch (const StoreFailure&) {  // it has a name of its own and is in nobody's way
    }
  }
  PgSchema(const PgSchema&) = delete;
  PgSchema& operator=(const PgSchema&) = delete;

  PgTarget target;
};

}  // namespace uniqd::test
