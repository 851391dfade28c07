#include "daemon/open_read_model.hpp"

#include <vector>

#include "daemon/assembly.hpp"
#include "readmodel/schema.hpp"

namespace uniqd {

std::string value_key_for(PgSession& session, const Settings& settings) {
  if (make_value_form(settings) != ValueForm::hmac_sha256) return "";
  if (!settings.readmodel.values_key.empty()) return settings.readmodel.values_key;
  return stored_value_key(session, settings.readmodel.schema);
}

namespace {

void check_version(PgSession& session, const std::string& schema) {
  const int version = schema_version(session, schema);
  if (version < newest_schema_version()) {
    throw SchemaMissing("the read model in schema " + schema +
                        (version == 0 ? " does not exist" : " is of an older version") +
                        "; run 'uniqd migrate' with the same configuration");
  }
  if (version > newest_schema_version()) {
    throw SchemaTooNew("the read model in schema " + schema +
                       " was made by a newer uniqd; run that one");
  }
}

void refuse(const std::vector<std::string>& differences, const std::string& schema) {
  if (differences.empty()) return;
  std::string text = "the read model in schema " + schema + " was made under other rules:";
  for (const std::string& difference : differences) text += "\n  - " + difference;
  text +=
      "\nEither restore the old configuration, or rebuild the read model under the new one with "
      "'uniqd rebuild'.";
  throw FingerprintDiffers(text);
}

}  // namespace

std::string open_read_model(PgSession& session, const Settings& settings,
                            const ConstraintSet& constraints) {
  const std::string& schema = settings.readmodel.schema;
  check_version(session, schema);
  std::string key = value_key_for(session, settings);
  refuse(compare_fingerprint(session, fingerprint(constraints, make_value_form(settings), key)),
         schema);
  return key;
}

std::string begin_read_model(PgSession& session, const Settings& settings,
                             const ConstraintSet& constraints, bool migrates) {
  const std::string& schema = settings.readmodel.schema;
  if (migrates) {
    (void)migrate(session, schema);
  } else {
    check_version(session, schema);
  }
  std::string key = value_key_for(session, settings);
  refuse(
      agree_on_fingerprint(session, schema,
                           fingerprint(constraints, make_value_form(settings), key), constraints),
      schema);
  return key;
}

}  // namespace uniqd
