#pragma once
// admin_server.hpp - the HTTP side: livez, readyz, metrics, the API and the operator's page.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "daemon/status.hpp"
#include "daemon/telemetry.hpp"
#include "readmodel/overview.hpp"

namespace uniqd {

// When the loop last came round; fed by the loop, read by livez and the watchdog. Thread safe.
class Heartbeat {
 public:
  void beat();
  [[nodiscard]] std::chrono::milliseconds age() const;

 private:
  std::atomic<std::int64_t> last_ms_{0};
};

// Why the daemon is not ready; empty: it is. Pure.
[[nodiscard]] std::vector<std::string> reasons_not_ready(const TelemetrySnapshot& snapshot);

// All metrics in Prometheus' text format. `ends`: of the partitions whose broker has said them.
// `rebuild_events`: applied by rebuilds since the start. Pure.
[[nodiscard]] std::string render_metrics(const TelemetrySnapshot& snapshot,
                                         const std::optional<Overview>& overview,
                                         const PartitionEnds& ends, std::int64_t rebuild_events);

// Whether `authorization` shows the token (`Bearer TOKEN`); takes as long for every wrong one of
// the same length. Never without a token. Pure.
[[nodiscard]] bool shows_token(const std::string& authorization, const std::string& token);

// Serves on a thread of its own from construction to destruction.
class AdminServer {
 public:
  // Throws std::runtime_error where the address cannot be bound. References must outlive it.
  AdminServer(const Settings& settings, const Telemetry& telemetry, const Heartbeat& heartbeat);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // The port that was bound.
  [[nodiscard]] int port() const;

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace uniqd
