#include "tests/support/test_bed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "tests/support/services.hpp"
#include "tests/support/wait.hpp"

namespace uniqd::test {
namespace {

std::string plain_identifier(std::string name) {
  std::ranges::replace(name, '-', '_');
  return name;
}

std::string lines(const std::map<std::string, std::string>& keys) {
  std::string text;
  for (const auto& [key, value] : keys) text += fmt::format("  {}: {}\n", key, value);
  return text;
}

// One question; where a connection was lost meanwhile, the next one is answered sooner.
constexpr int broker_answers_within_ms = 3'000;
constexpr std::chrono::seconds broker_is_back_within{60};

// librdkafka waits for the watermarks as long as for any answer of the broker, whatever the call's
// own timeout says, and that is a minute unless it is told otherwise.
KafkaClient make_watcher(const std::string& brokers) {
  return make_kafka_client(
      RD_KAFKA_CONSUMER,
      make_kafka_conf({},
                      {{"bootstrap.servers", brokers},
                       {"group.id", "watcher"},
                       {"log_level", "3"},
                       {"socket.timeout.ms", std::to_string(broker_answers_within_ms)}},
                      {}));
}

}  // namespace

TestBed::TestBed(int partitions)
    : postgres(Services::get().postgres),
      sql_postgres(postgres),
      topic(unique_name("users")),
      commands_topic(topic + "-commands"),
      schema(plain_identifier("t_" + topic)),
      group("g-" + topic),
      folder(UNIQD_BUILD_DIR "/test-daemons/" + topic),
      partitions_(partitions) {
  brokers = kafka_.brokers();
  watcher_ = make_watcher(brokers);
  kafka_.create_topic(topic, partitions);
  kafka_.create_topic(commands_topic, partitions);
}

TestBed::~TestBed() {
  try {
    sql("SET lock_timeout = '2s'; DROP SCHEMA IF EXISTS \"" + schema + "\" CASCADE");
  } catch (const StoreFailure&) {
    // PostgreSQL is gone, or a daemon still at work; the schema's name is used only once.
  }
}

std::string TestBed::config() const {
  return fmt::format(R"(source:
  topic: {}
  brokers: {}
  group: ${{UNIQD_TEST_GROUP:-{}}}
{}commands:
  topic: {}
{}readmodel:
  postgres: "{}"
  schema: {}
{}events:
  UserAdded:
    effect: claim
    entity: /userId
    fields: {{ email: {}, username: /username, first: /first, last: /last }}
  UserEmailChanged: {{ effect: change, entity: /userId, fields: {{ email: {} }} }}
  UserNameChanged: {{ effect: change, entity: /userId, fields: {{ username: /username }} }}
  UserRenamed: {{ effect: change, entity: /userId, fields: {{ first: /first, last: /last }} }}
  UserDeactivated: {{ effect: release, entity: /userId }}
constraints:
  email:
    fields: [email]
    normalize: {}
    on_violation:
      send: DeactivateUser
      reason: There is already a user with this email address.
  full_name:
    fields: [first, last]
    normalize: [trim, nfkc, casefold]
    on_violation: {{ review: true, reason: Somebody has this name. }}
  username:
    fields: [username]
    normalize: [trim, nfkc, casefold]
    on_violation: {{ send: DeactivateUser, reason: {} }}
admin: {{ listen: "127.0.0.1:0", token_file: "{}" }}
safety: {}
{})",
                     topic, brokers, group, lines(source), commands_topic, lines(commands),
                     postgres, schema, lines(readmodel), email_pointer, email_pointer, normalize,
                     name_is_taken, token_file, safety, more);
}

std::unique_ptr<UniqdProcess> TestBed::daemon(const std::string& name) const {
  UniqdOptions options;
  options.folder = folder + "/" + name;
  options.yaml = config();
  return std::make_unique<UniqdProcess>(std::move(options));
}

pqxx::result TestBed::sql(const std::string& statements) const {
  PgSession session({sql_postgres, schema});
  return session.run(statements);
}

std::string TestBed::sql_text(const std::string& query) const {
  const auto rows = sql(query);
  return rows.empty() || rows[0][0].is_null() ? std::string{} : rows[0][0].c_str();
}

std::vector<Position> TestBed::positions() const {
  std::vector<Position> positions;
  try {
    for (const auto& row : sql("SELECT partition, next_offset FROM positions WHERE topic = '" +
                               topic + "' ORDER BY partition")) {
      const auto next = row[1].as<std::int64_t>();
      positions.push_back({Partition{row[0].as<std::int32_t>()},
                           next < 0 ? std::nullopt : std::optional(Offset{next})});
    }
  } catch (const StoreFailure&) {
    positions.clear();
  }
  return positions;
}

std::vector<std::int64_t> TestBed::ends_of(const std::string& some_topic) const {
  std::vector<std::int64_t> ends;
  KafkaClient asked_again;
  for (int partition = 0; partition < partitions_; ++partition) {
    std::int64_t low = 0;
    std::int64_t high = 0;
    // After an outage a client may not know the partition's leader; a new one asks for it.
    const auto is_answered = [&] {
      rd_kafka_t* const asked = asked_again ? asked_again.get() : watcher_.get();
      const rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
          asked, some_topic.c_str(), partition, &low, &high, broker_answers_within_ms);
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
      fmt::print(stderr, "the end of {}: {}\n", some_topic, rd_kafka_err2str(error));
      asked_again = make_watcher(brokers);
      return false;
    };
    wait_until("the end of " + some_topic, is_answered, broker_is_back_within);
    ends.push_back(high);
  }
  return ends;
}

std::int64_t TestBed::command_count() const {
  const auto ends = ends_of(commands_topic);
  return std::accumulate(ends.begin(), ends.end(), std::int64_t{0});
}

void TestBed::wait_applied(std::chrono::milliseconds deadline) {
  const auto ends = ends_of(topic);
  const auto is_applied = [&] {
    const auto now = positions();
    return now.size() == ends.size() &&
           std::ranges::equal(ends, now, [](std::int64_t end, const Position& position) {
             return position.next_offset && position.next_offset->value >= end;
           });
  };
  wait_until("all records applied", is_applied, deadline);
}

void TestBed::wait_settled(std::chrono::milliseconds deadline) {
  wait_applied(deadline);
  wait_until(
      "all commands sent",
      [&] { return sql_text("SELECT count(*) FROM compensations WHERE state = 'pending'") == "0"; },
      deadline);
}

const ConstraintSet& bed_constraints() {
  static const ConstraintSet constraints = [] {
    std::vector<Constraint> all(3);
    all[0] = {"email", {"email"}, {}, 0};
    all[1] = {"full_name", {"first", "last"}, {}, 0};
    all[2] = {"username", {"username"}, {}, 0};
    for (Constraint& constraint : all) {
      constraint.normalizers.resize(constraint.fields.size(),
                                    Normalizer(std::vector<NormalizeStep>{}));
    }
    return ConstraintSet(std::move(all));
  }();
  return constraints;
}

}  // namespace uniqd::test
