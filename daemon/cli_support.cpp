#include "daemon/cli_support.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "daemon/exit_codes.hpp"
#include "daemon/failure_policy.hpp"
#include "daemon/open_read_model.hpp"
#include "readmodel/schema.hpp"

namespace uniqd {

int complain(const std::string& text, int exit_code) {
  fmt::print(stderr, "uniqd: {}\n", text);
  return exit_code;
}

namespace {

int complain_of_store(const StoreFailure& failure) {
  if (failure.sqlstate() == not_utf8_sqlstate) {
    return complain("ids and values are UTF-8, and without NUL", exit_usage);
  }
  Reaction reaction = react_to_store_failure(failure.sqlstate());
  if (const auto again = reaction.remedy.find(" Trying again."); again != std::string::npos) {
    reaction.remedy.erase(again);
  }
  return complain(std::string(failure.what()) + ". " + reaction.remedy,
                  reaction.halts ? exit_halted : exit_unreachable);
}

}  // namespace

int with_read_model(const std::function<int()>& work) {
  try {
    return work();
  } catch (const StoreFailure& failure) {
    return complain_of_store(failure);
  } catch (const FingerprintDiffers& differs) {
    return complain(differs.what(), exit_bad_config);
  } catch (const SchemaMissing& missing) {
    return complain(missing.what(), exit_halted);
  } catch (const SchemaTooNew& newer) {
    return complain(newer.what(), exit_halted);
  }
}

}  // namespace uniqd
