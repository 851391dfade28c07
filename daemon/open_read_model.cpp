#include "daemon/open_read_model.hpp"

#include <vector>

#include "daemon/assembly.hpp"
#include "readmodel/schema.hpp"

namespace uniqd {

std::string open_read_model(PgSession& session, const Settings& settings,
                            const ConstraintSet& constraints, bool migrates) {
  const std::string& schema = settings.readmodel.schema;
  if (migrates) {
    migrate(session, schema);
  } else if (const int version = schema_version(session, schema);
             version < newest_schema_version()) {
    throw SchemaMissing("the read model in schema " + schema +
                        (version == 0 ? " does not exist" : " is of an older version") +
                        "; run 'uniqd migrate' with the same configuration");
  } else if (version > newest_schema_version()) {
    throw SchemaTooNew("the read model in schema " + schema +
                       " was made by a newer uniqd; run that one");
  }
  const ValueForm form = make_value_form(settings);
  std::string key = settings.readmodel.values_key;
  if (form != ValueForm::hmac_sha256) {
    key.clear();
  } else if (key.empty()) {
    key = stored_value_key(session, schema);
  }
  const auto differences =
      agree_on_fingerprint(session, schema, fingerprint(constraints, form, key), constraints);
  if (differences.empty()) return key;
  std::string text = "the read model in schema " + schema + " was made under other rules:";
  for (const std::string& difference : differences) text += "\n  - " + difference;
  text +=
      "\nEither restore the old configuration, or rebuild the read model under the new one with "
      "'uniqd rebuild' (until that command is there: name a new readmodel.schema, which is then "
      "filled from the topic).";
  throw FingerprintDiffers(text);
}

}  // namespace uniqd
