#include "tests/bench/naive.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

#include "tests/bench/kafka_load.hpp"
#include "tests/bench/pg_link.hpp"

namespace uniqd::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int message_wait_ms = 10'000;

class Naive {
 public:
  Naive(const std::string& postgres, const std::string& schema) : link_(postgres, schema) {
    link_.run(
        "DROP TABLE IF EXISTS users_email, commands, position;"
        "CREATE TABLE users_email (email text UNIQUE NOT NULL, user_id text NOT NULL);"
        "CREATE INDEX ON users_email (user_id);"
        "CREATE TABLE commands (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " user_id text NOT NULL, command text NOT NULL);"
        "CREATE TABLE position (next_offset bigint NOT NULL); INSERT INTO position VALUES (0)");
    link_.prepare("find", "SELECT user_id FROM users_email WHERE email = $1");
    link_.prepare("take", "INSERT INTO users_email (email, user_id) VALUES ($1, $2)");
    link_.prepare("free", "DELETE FROM users_email WHERE user_id = $1");
    link_.prepare("command", "INSERT INTO commands (user_id, command) VALUES ($1, $2)");
    link_.prepare("move", "UPDATE position SET next_offset = $1");
  }

  void handle(std::string_view payload, std::int64_t offset) {
    const auto event = nlohmann::json::parse(payload);
    const std::string type = event["type"];
    const auto& data = event["data"];
    const std::string user = data["userId"];
    link_.run("BEGIN");
    if (type == "UserDeactivated") {
      link_.run_prepared("free", {user});
    } else {
      claim(type, user, data["email"]);
    }
    link_.run_prepared("move", {std::to_string(offset + 1)});
    link_.run("COMMIT");
  }

  [[nodiscard]] std::int64_t violations() const { return violations_; }

 private:
  void claim(const std::string& type, const std::string& user, const std::string& email) {
    const PgResult found = link_.run_prepared("find", {email});
    const bool is_taken = PQntuples(found.get()) > 0;
    if (is_taken && PQgetvalue(found.get(), 0, 0) != user) {
      link_.run_prepared("command", {user, "DeactivateUser"});
      ++violations_;
      return;
    }
    if (is_taken) return;
    if (type == "UserEmailChanged") link_.run_prepared("free", {user});
    link_.run_prepared("take", {email, user});
  }

  PgLink link_;
  std::int64_t violations_ = 0;
};

}  // namespace

NaiveResult run_naive(const std::string& brokers, const std::string& postgres,
                      const std::string& schema, const std::string& topic, std::int64_t events,
                      std::chrono::milliseconds at_most) {
  Naive naive(postgres, schema);
  RecordReader reader(brokers, topic, RD_KAFKA_OFFSET_BEGINNING);
  NaiveResult result;
  Clock::time_point began{};
  while (result.events < events) {
    const KafkaMessage message = reader.next(message_wait_ms);
    if (!message) throw std::runtime_error("no record of " + topic + " in time");
    if (result.events == 0) began = Clock::now();
    naive.handle({static_cast<const char*>(message->payload), message->len}, message->offset);
    ++result.events;
    if (Clock::now() - began >= at_most) break;
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  result.violations = naive.violations();
  return result;
}

}  // namespace uniqd::bench
