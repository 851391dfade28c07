#include "tests/support/services.hpp"

#include <fmt/core.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <stdexcept>

namespace uniqd::test {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

Variables read_variables(const std::string& path) {
  Variables variables;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto equals = line.find('=');
    if (equals != std::string::npos) variables[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return variables;
}

Variables read_environment() {
  Variables variables;
  for (const char* name : {"UNIQD_BROKERS", "UNIQD_POSTGRES", "UNIQD_KAFKA_KIND", "UNIQD_SERVICES",
                           "UNIQD_SERVICES_DIR"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') variables[name] = value;
  }
  return variables;
}

bool names_servers(const Variables& variables) {
  return variables.contains("UNIQD_BROKERS") && variables.contains("UNIQD_POSTGRES");
}

Variables find_variables() {
  auto variables = read_environment();
  for (const char* path : {"services.env", "build/services.env", UNIQD_BUILD_DIR "/services.env"}) {
    if (names_servers(variables)) break;
    variables = read_variables(path);
  }
  if (names_servers(variables)) return variables;
  throw std::runtime_error(
      "no servers to test with: run `make services`, or set UNIQD_BROKERS and UNIQD_POSTGRES");
}

Services find_services() {
  auto variables = find_variables();
  variables.try_emplace("UNIQD_KAFKA_KIND", "kafka");
  return Services{variables["UNIQD_BROKERS"], variables["UNIQD_POSTGRES"],
                  variables["UNIQD_KAFKA_KIND"], variables["UNIQD_SERVICES"],
                  variables["UNIQD_SERVICES_DIR"]};
}

}  // namespace

const Services& Services::get() {
  static const Services services = find_services();
  return services;
}

void Services::act(std::string_view action) const {
  if (script.empty() || folder.empty()) {
    throw std::runtime_error(
        fmt::format("{}: the servers are not ours to stop; unset UNIQD_BROKERS and UNIQD_POSTGRES "
                    "and run `make services`",
                    action));
  }
  const auto command = fmt::format("'{}' {} '{}'", script, action, folder);
  const int status = std::system(command.c_str());
  if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error(fmt::format("{} failed; see the logs in {}", command, folder));
  }
}

}  // namespace uniqd::test
