#include "daemon/admin_server.hpp"

#include <httplib.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "daemon/admin_api.hpp"
#include "daemon/assembly.hpp"
#include "daemon/status.hpp"

namespace uniqd {
namespace {

constexpr std::chrono::seconds alive_within{60};
constexpr std::chrono::seconds overview_for{5};
constexpr int ends_within_ms = 2000;
constexpr const char* json_type = "application/json";

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void Heartbeat::beat() { last_ms_ = steady_ms(); }

std::chrono::milliseconds Heartbeat::age() const {
  return std::chrono::milliseconds(steady_ms() - last_ms_);
}

std::vector<std::string> reasons_not_ready(const TelemetrySnapshot& snapshot) {
  std::vector<std::string> reasons;
  for (const std::string& trouble : snapshot.troubles) {
    if (!trouble.empty()) reasons.push_back(trouble);
  }
  if (reasons.empty() && !snapshot.has_assignment) {
    reasons.emplace_back("waiting for the consumer group to assign partitions");
  }
  return reasons;
}

struct AdminServer::Server {
  Server(const Settings& all_settings, const Telemetry& all_telemetry, const Heartbeat& loop)
      : settings(all_settings), telemetry(all_telemetry), heartbeat(loop), api(all_settings) {}

  const Settings& settings;
  const Telemetry& telemetry;
  const Heartbeat& heartbeat;
  AdminApi api;
  httplib::Server http;
  int port = 0;
  std::thread thread;

  // A connection of its own, and answers kept for a moment: a scrape costs the database little.
  std::mutex mutex;
  std::unique_ptr<PgSession> session;
  std::optional<Overview> overview;
  std::chrono::steady_clock::time_point overview_read_at;

  // Nothing where the database does not answer.
  std::optional<Overview> read() {
    const std::lock_guard lock(mutex);
    const auto now = std::chrono::steady_clock::now();
    if (overview && now - overview_read_at < overview_for) return overview;
    try {
      if (!session) session = std::make_unique<PgSession>(make_pg_target(settings));
      overview = read_overview(*session, settings.source.topic);
      overview_read_at = now;
    } catch (const StoreFailure&) {
      session.reset();
      overview.reset();
    }
    return overview;
  }

  void answer_ready(httplib::Response& response) const {
    const auto reasons = reasons_not_ready(telemetry.snapshot());
    response.status = reasons.empty() ? 200 : 503;
    response.set_content(
        nlohmann::json{{"ready", reasons.empty()}, {"reasons", reasons}}.dump() + "\n", json_type);
  }

  void answer_status(httplib::Response& response) {
    const auto known = read();
    if (!known) {
      response.status = 503;
      response.set_content(
          "{\"error\":\"ReadModelUnreachable\",\"message\":\"PostgreSQL does not "
          "answer; see /readyz\"}\n",
          json_type);
      return;
    }
    const auto status = status_json(settings, *known, ask_for_ends(settings, ends_within_ms));
    response.set_content(status.dump() + "\n", json_type);
  }

  static void give(httplib::Response& response, const Answer& answer) {
    response.status = answer.status;
    response.set_content(answer.body, json_type);
  }

  void route() {
    http.Get("/livez", [this](const httplib::Request&, httplib::Response& response) {
      const bool is_alive = heartbeat.age() < alive_within;
      response.status = is_alive ? 200 : 503;
      response.set_content(is_alive ? "{\"live\":true}\n" : "{\"live\":false}\n", json_type);
    });
    http.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      answer_ready(response);
    });
    http.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(render_metrics(telemetry.snapshot(), read()),
                           "text/plain; version=0.0.4");
    });
    http.Get("/api/v1/status", [this](const httplib::Request&, httplib::Response& response) {
      answer_status(response);
    });
    http.Get("/api/v1/claims",
             [this](const httplib::Request& request, httplib::Response& response) {
               give(response, api.claims({request.params.begin(), request.params.end()}));
             });
    http.Get(R"(/api/v1/entities/(.+))",
             [this](const httplib::Request& request, httplib::Response& response) {
               give(response, api.entity(request.matches[1]));
             });
    http.Get("/api/v1/compensations",
             [this](const httplib::Request& request, httplib::Response& response) {
               give(response, api.compensations(request.get_param_value("state")));
             });
    http.Post("/api/v1/check",
              [this](const httplib::Request& request, httplib::Response& response) {
                give(response, api.check(request.body));
              });
  }
};

AdminServer::AdminServer(const Settings& settings, const Telemetry& telemetry,
                         const Heartbeat& heartbeat)
    : server_(new Server(settings, telemetry, heartbeat)) {
  server_->route();
  server_->http.set_payload_max_length(std::size_t{64} << 10);
  server_->http.new_task_queue = [] { return new httplib::ThreadPool(2); };
  const std::string& host = settings.admin.host;
  if (settings.admin.port == 0) {
    server_->port = server_->http.bind_to_any_port(host);
  } else if (server_->http.bind_to_port(host, settings.admin.port)) {
    server_->port = settings.admin.port;
  }
  if (server_->port <= 0) {
    throw std::runtime_error("admin.listen: " + host + ":" + std::to_string(settings.admin.port) +
                             " cannot be bound; is another uniqd running, or the address not this "
                             "machine's? Name a free one");
  }
  server_->thread = std::thread([server = server_.get()] { server->http.listen_after_bind(); });
}

AdminServer::~AdminServer() {
  server_->http.stop();
  server_->thread.join();
}

int AdminServer::port() const { return server_->port; }

}  // namespace uniqd
