#include "daemon/admin_server.hpp"

#include <httplib.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "daemon/admin_api.hpp"
#include "daemon/assembly.hpp"
#include "daemon/operator_page.hpp"
#include "daemon/version.hpp"

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

bool shows_token(const std::string& authorization, const std::string& token) {
  constexpr std::string_view scheme = "bearer ";
  if (token.empty() || authorization.size() != scheme.size() + token.size()) return false;
  const bool is_bearer = std::ranges::equal(
      scheme, std::string_view(authorization).substr(0, scheme.size()), {}, {},
      [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return is_bearer &&
         CRYPTO_memcmp(authorization.data() + scheme.size(), token.data(), token.size()) == 0;
}

struct AdminServer::Server {
  Server(const Settings& all_settings, const Telemetry& all_telemetry, const Heartbeat& loop)
      : settings(all_settings),
        telemetry(all_telemetry),
        heartbeat(loop),
        api(all_settings),
        page(make_operator_page()) {}

  const Settings& settings;
  const Telemetry& telemetry;
  const Heartbeat& heartbeat;
  AdminApi api;
  OperatorPage page;
  httplib::Server http;
  int port = 0;
  std::thread thread;

  // A connection of its own, and answers kept for a moment: a scrape costs the database little.
  std::mutex mutex;
  std::unique_ptr<PgSession> session;
  std::optional<Overview> overview;
  std::chrono::steady_clock::time_point overview_read_at;
  std::int64_t rebuild_events = 0;  // those of the rebuilds before, and
  std::int64_t rebuild_last = 0;    // as far as this one was, when it was last seen
  std::mutex ends_mutex;
  std::optional<PartitionEnds> ends;  // as they are, and
  PartitionEnds ends_heard;           // as they last were, where the brokers are silent
  std::chrono::steady_clock::time_point ends_read_at;

  // Nothing where the database does not answer.
  std::optional<Overview> read() {
    const std::lock_guard lock(mutex);
    const auto now = std::chrono::steady_clock::now();
    if (overview && now - overview_read_at < overview_for) return overview;
    try {
      if (!session) session = std::make_unique<PgSession>(make_pg_target(settings));
      overview = read_overview(*session, settings.source.topic);
      overview_read_at = now;
      count_rebuild();
    } catch (const StoreFailure&) {
      session.reset();
      overview.reset();
    }
    return overview;
  }

  // A counter does not go back, though each rebuild begins with nothing.
  void count_rebuild() {
    const std::int64_t events = overview->rebuild ? overview->rebuild->events : 0;
    if (events < rebuild_last) rebuild_events += rebuild_last;
    rebuild_last = events;
  }

  std::string metrics() {
    const auto known = read();
    const auto snapshot = telemetry.snapshot();
    const auto heard = read_ends_heard();
    const std::lock_guard lock(mutex);
    return render_metrics(snapshot, known, heard, rebuild_events + rebuild_last);
  }

  // What was true a moment ago is forgotten, since somebody has just changed it.
  void forget() {
    const std::lock_guard lock(mutex);
    overview.reset();
  }

  // With ends_mutex locked.
  void ask_again() {
    const auto now = std::chrono::steady_clock::now();
    if (ends && now - ends_read_at < overview_for) return;
    ends = ask_for_ends(settings, ends_within_ms);
    ends_read_at = now;
    for (const auto& [partition, end] : *ends) ends_heard.insert_or_assign(partition, end);
  }

  PartitionEnds read_ends() {
    const std::lock_guard lock(ends_mutex);
    ask_again();
    return *ends;
  }

  PartitionEnds read_ends_heard() {
    const std::lock_guard lock(ends_mutex);
    ask_again();
    return ends_heard;
  }

  // What this instance says of itself, beside the read model that all share.
  nlohmann::ordered_json instance_json() const {
    const auto snapshot = telemetry.snapshot();
    const auto reasons = reasons_not_ready(snapshot);
    nlohmann::ordered_json catching_up = nlohmann::ordered_json::array();
    for (const PartitionProgress& progress : snapshot.partitions) {
      if (!progress.caught_up) catching_up.push_back(to_number(progress.partition));
    }
    nlohmann::ordered_json constraints = nlohmann::ordered_json::object();
    for (const auto& constraint : settings.constraints) {
      for (const auto& field : constraint.fields) {
        constraints[constraint.name].push_back(field.name);
      }
    }
    return {{"version", version},
            {"ready", reasons.empty()},
            {"reasons", reasons},
            {"catching_up", std::move(catching_up)},
            {"can_change", !settings.admin.token.empty()},
            {"constraints", std::move(constraints)}};
  }

  void answer_ready(httplib::Response& response) const {
    const auto reasons = reasons_not_ready(telemetry.snapshot());
    response.status = reasons.empty() ? 200 : 503;
    response.set_content(
        nlohmann::json{{"ready", reasons.empty()}, {"reasons", reasons}}.dump() + "\n", json_type);
  }

  void answer_status(httplib::Response& response) {
    const auto known = read();
    nlohmann::ordered_json status;
    if (known) {
      status = status_json(settings, *known, read_ends());
    } else {
      response.status = 503;
      status = {{"error", "ReadModelUnreachable"},
                {"message", "PostgreSQL does not answer; see /readyz"}};
    }
    status["instance"] = instance_json();
    response.set_content(status.dump() + "\n", json_type);
  }

  static void give(httplib::Response& response, const Answer& answer) {
    response.status = answer.status;
    response.set_content(answer.body, json_type);
  }

  // Answers where the request may change nothing: without a token set 403, without it shown 401.
  bool may_change(const httplib::Request& request, httplib::Response& response) const {
    if (shows_token(request.get_header_value("Authorization"), settings.admin.token)) return true;
    const bool can = !settings.admin.token.empty();
    response.status = can ? 401 : 403;
    if (can) response.set_header("WWW-Authenticate", "Bearer");
    const nlohmann::ordered_json refusal{
        {"error", can ? "Unauthorized" : "Forbidden"},
        {"message",
         can ? "this changes something: send the token of admin.token_file as "
               "Authorization: Bearer TOKEN"
             : "nothing can be changed over HTTP without a token; name a file that holds "
               "one in admin.token_file, or use 'uniqd compensations' and 'uniqd resume'"}};
    response.set_content(refusal.dump() + "\n", json_type);
    return false;
  }

  void route_changes() {
    http.Post(R"(/api/v1/compensations/([^/]+)/(retry|dismiss))",
              [this](const httplib::Request& request, httplib::Response& response) {
                if (!may_change(request, response)) return;
                const bool retries = request.matches[2] == "retry";
                give(response, api.intervene(request.matches[1], retries ? Intervention::retry
                                                                         : Intervention::dismiss));
                forget();
              });
    http.Post("/api/v1/resume",
              [this](const httplib::Request& request, httplib::Response& response) {
                if (!may_change(request, response)) return;
                give(response, api.resume());
                forget();
              });
  }

  void route_page() {
    http.Get("/", [this](const httplib::Request&, httplib::Response& response) {
      response.set_header("Content-Security-Policy", page.content_security_policy);
      response.set_header("Referrer-Policy", "no-referrer");
      response.set_content(page.html, "text/html; charset=utf-8");
    });
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
      response.set_content(metrics(), "text/plain; version=0.0.4");
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
               give(response, api.compensations(request.get_param_value("state"),
                                                request.get_param_value("limit")));
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
  server_->route_changes();
  server_->route_page();
  // A page that is looked at must not keep a scrape waiting: no connection outlives its answer.
  server_->http.set_keep_alive_max_count(1);
  server_->http.set_default_headers(
      {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}});
  server_->http.set_payload_max_length(std::size_t{64} << 10);
  server_->http.new_task_queue = [] { return new httplib::ThreadPool(4); };
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
