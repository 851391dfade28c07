#pragma once
// open_read_model.hpp - from settings to a read model that fits them.

#include <stdexcept>
#include <string>

#include "config/settings.hpp"
#include "readmodel/pg_session.hpp"
#include "readmodel/rules.hpp"

namespace uniqd {

// The read model was made under other rules; the text names each difference and the remedy.
class FingerprintDiffers : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// There is no read model yet, or an older one; the text names the remedy.
class SchemaMissing : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The key that values are digested with: the configured one, else the one kept in the read model,
// made at the first call; empty unless hmac-sha256. REQUIRES: the schema is migrated. Throws
// StoreFailure.
[[nodiscard]] std::string value_key_for(PgSession& session, const Settings& settings);

// Checks the schema, and that it was made under the same rules, if under any yet; returns the key
// that values are digested with (empty unless hmac-sha256). Throws StoreFailure, SchemaTooNew,
// SchemaMissing, FingerprintDiffers.
[[nodiscard]] std::string open_read_model(PgSession& session, const Settings& settings,
                                          const ConstraintSet& constraints);

// The same for who fills it: where nothing has been yet, these are its rules from now on. With
// `migrates` the schema is created or upgraded.
[[nodiscard]] std::string begin_read_model(PgSession& session, const Settings& settings,
                                           const ConstraintSet& constraints, bool migrates);

}  // namespace uniqd
