#pragma once

#include <string>
#include <string_view>

namespace uniqd::test {

/// The servers that integration and robustness tests use: those named by UNIQD_BROKERS and
/// UNIQD_POSTGRES if both are set, else those in services.env in the folder the test was started
/// from or the one it was built in (`make services` starts them).
///
/// Read once, immutable afterwards; safe to use from any thread.
struct Services {
  std::string brokers;     ///< host:port, for bootstrap.servers
  std::string postgres;    ///< libpq URI of a superuser and an existing database
  std::string kafka_kind;  ///< "kafka" or "mock"; "kafka" where nobody says otherwise
  std::string script;      ///< services.sh; empty where the servers are not ours to stop
  std::string folder;      ///< what services.sh is told; empty likewise

  /// Throws std::runtime_error, with the remedy, if no servers are named anywhere.
  static const Services& get();

  bool real_kafka() const { return kafka_kind == "kafka"; }

  /// Does one of the actions of services.sh, e.g. "kill-postgres", and returns when it is done.
  /// Throws std::runtime_error if the servers are not ours to stop, or if the action fails.
  void act(std::string_view action) const;
};

/// True where the broker is the mock, after a line that run_tests.sh counts as a skipped case; with
/// CI=true the running test case fails. For use as the first line of a doctest case:
///     if (lacks_kafka()) return;
bool lacks_kafka();

/// The same for a test that stops servers: true where they are not ours to stop, or are the mock's.
bool lacks_stoppable_servers();

/// For what a machine may rightly lack, a right or a kernel's feature: skipped, also with CI=true.
bool lacks(bool is_missing, std::string_view why);

}  // namespace uniqd::test
