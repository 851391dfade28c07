#pragma once
// schema.hpp - the tables of the read model, their versions, and what a configuration must agree
// with before it may touch them.

#include <map>
#include <string>
#include <vector>

#include "readmodel/pg_session.hpp"
#include "readmodel/rules.hpp"

namespace uniqd {

struct Migrated {
  int from_version = 0;  // 0: there was no schema
  int to_version = 0;
};

// Creates the schema or brings it up to date, in one transaction, one caller at a time. Doing it
// again changes nothing. Throws StoreFailure, and SchemaTooNew where a later uniqd has been here.
Migrated migrate(PgSession& session, const std::string& schema);

// The version this program needs.
[[nodiscard]] int newest_schema_version();

// The version of the schema; 0 where there is none. Throws StoreFailure.
[[nodiscard]] int schema_version(PgSession& session, const std::string& schema);

class SchemaTooNew : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What the stored digests depend on, part by part: each constraint, the form of values, the key.
using Fingerprint = std::map<std::string, std::string>;
[[nodiscard]] Fingerprint fingerprint(const ConstraintSet& constraints, ValueForm form,
                                      const std::string& value_key);

// The parts in which the read model differs from `mine`, by name and sorted; empty: they agree, or
// nothing is recorded yet. REQUIRES: the schema is migrated. Throws StoreFailure.
[[nodiscard]] std::vector<std::string> compare_fingerprint(PgSession& session,
                                                           const Fingerprint& mine);
// The same, but records `mine` where nothing is recorded yet, and numbers the constraints.
[[nodiscard]] std::vector<std::string> agree_on_fingerprint(PgSession& session,
                                                            const std::string& schema,
                                                            const Fingerprint& mine,
                                                            const ConstraintSet& constraints);

// The key of the value HMAC that is kept in the read model: 32 random bytes, made at the first
// call. REQUIRES: the schema is migrated. Throws StoreFailure.
[[nodiscard]] std::string stored_value_key(PgSession& session, const std::string& schema);

// The Kafka cluster that the read model is filled from; the first that is told is kept.
// REQUIRES: the schema is migrated. Throws StoreFailure.
[[nodiscard]] std::string keep_cluster(PgSession& session, const std::string& cluster);

}  // namespace uniqd
