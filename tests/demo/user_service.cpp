#include "tests/demo/user_service.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace uniqd::demo {
namespace {

using Json = nlohmann::ordered_json;

constexpr int flush_within_ms = 30000;
constexpr int poll_wait_ms = 50;

std::string now_utc() {
  const auto now = std::chrono::system_clock::now();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - seconds).count();
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     ms);
}

}  // namespace

UserService::UserService(UserServiceOptions options)
    : options_(std::move(options)),
      commands_(options_.brokers, options_.commands_topic, "user-service") {
  // Idempotent, so that its own retries neither repeat nor reorder.
  auto conf = make_kafka_conf({},
                              {{"bootstrap.servers", options_.brokers},
                               {"enable.idempotence", "true"},
                               {"linger.ms", "1"},
                               {"log_level", "3"}},
                              {});
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_dr_msg_cb(conf.get(),
                              [](rd_kafka_t*, const rd_kafka_message_t* message, void* service) {
                                auto* self = static_cast<UserService*>(service);
                                if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                                  ++self->delivered_;
                                } else {
                                  self->has_failed_ = true;
                                }
                              });
  producer_ = make_kafka_client(RD_KAFKA_PRODUCER, std::move(conf));
  // Connected and acquainted with the topic before the first event has to wait for it.
  const KafkaTopic topic{
      rd_kafka_topic_new(producer_.get(), options_.events_topic.c_str(), nullptr)};
  if (ask_for_topic(producer_.get(), topic.get(), flush_within_ms).partitions == 0) {
    throw std::runtime_error("user service: there is no topic " + options_.events_topic);
  }
  taker_ = std::thread([this] { take_commands(); });
}

UserService::~UserService() {
  is_stopping_ = true;
  taker_.join();
  rd_kafka_flush(producer_.get(), flush_within_ms);
}

std::string UserService::add_user(const std::string& user, const std::string& email) {
  const std::lock_guard lock(mutex_);
  if (!users_.try_emplace(user, User{email}).second) {
    throw std::invalid_argument("there is already a user " + user);
  }
  return raise("UserAdded", user, Json{{"userId", user}, {"email", email}}.dump(), {}, {});
}

std::string UserService::deactivate_user(const std::string& user) {
  const std::lock_guard lock(mutex_);
  const auto known = users_.find(user);
  if (known == users_.end() || !known->second.is_active) {
    throw std::invalid_argument("there is no active user " + user);
  }
  known->second.is_active = false;
  return raise("UserDeactivated", user, Json{{"userId", user}}.dump(), {}, {});
}

void UserService::publish_again(const std::string& event_id) {
  const std::lock_guard lock(mutex_);
  publish(events_.at(event_id));
}

// An event that nothing led to begins a correlation of its own.
std::string UserService::raise(const std::string& type, const std::string& user, std::string data,
                               const std::string& correlation_id, const std::string& causation_id) {
  auto id = fmt::format("event-{}", events_.size() + 1);
  Event event{user,
              {{"ce_specversion", "1.0"},
               {"ce_id", id},
               {"ce_type", type},
               {"ce_source", "/user-service"},
               {"ce_subject", user},
               {"ce_time", now_utc()},
               {"ce_correlationid", correlation_id.empty() ? id : correlation_id},
               {"content-type", "application/json"}},
              std::move(data)};
  if (!causation_id.empty()) event.headers.emplace("ce_causationid", causation_id);
  publish(event);
  events_.emplace(id, std::move(event));
  return id;
}

void UserService::publish(const Event& event) {
  KafkaHeaders headers{rd_kafka_headers_new(event.headers.size())};
  for (const auto& [name, value] : event.headers) {
    rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  const auto error =
      rd_kafka_producev(producer_.get(), RD_KAFKA_V_TOPIC(options_.events_topic.c_str()),
                        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                        RD_KAFKA_V_KEY(const_cast<char*>(event.user.data()), event.user.size()),
                        RD_KAFKA_V_VALUE(const_cast<char*>(event.data.data()), event.data.size()),
                        RD_KAFKA_V_HEADERS(headers.get()), RD_KAFKA_V_END);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("user service: publish: " + error_text(error));
  }
  (void)headers.release();  // the message's now
  rd_kafka_poll(producer_.get(), 0);
}

void UserService::take_commands() {
  while (!is_stopping_) {
    rd_kafka_poll(producer_.get(), 0);
    const auto command = commands_.next(poll_wait_ms);
    if (!command) continue;
    try {
      take_command(*command);
    } catch (const std::runtime_error&) {
      has_failed_ = true;  // flush() says so
    }
  }
}

void UserService::take_command(const test::TestRecord& command) {
  const auto id = command.header("ce_id");
  const std::lock_guard lock(mutex_);
  if (!seen_commands_.insert(id).second) {
    ++dropped_commands_;
    return;
  }
  if (command.header("ce_type") != "DeactivateUser") return;
  const auto data = Json::parse(command.payload.value_or(""), nullptr, false);
  if (!data.is_object() || !data.contains("userId") || !data["userId"].is_string()) return;
  take_deactivate_user(data["userId"], id, command.header("ce_correlationid"));
}

// A user who has left already needs no second event.
void UserService::take_deactivate_user(const std::string& user, const std::string& command_id,
                                       const std::string& correlation_id) {
  const auto known = users_.find(user);
  if (known == users_.end() || !known->second.is_active) return;
  known->second.is_active = false;
  raise("UserDeactivated", user, Json{{"userId", user}}.dump(), correlation_id, command_id);
}

void UserService::flush() {
  const auto error = rd_kafka_flush(producer_.get(), flush_within_ms);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR || has_failed_) {
    throw std::runtime_error("user service: the broker did not take all events; see its log");
  }
}

UserServiceFacts UserService::facts() const {
  const std::lock_guard lock(mutex_);
  UserServiceFacts facts;
  facts.users = users_.size();
  for (const auto& [id, user] : users_) facts.active_users += user.is_active ? 1 : 0;
  facts.events_published = delivered_;
  facts.commands_taken = seen_commands_.size();
  facts.commands_dropped = dropped_commands_;
  return facts;
}

bool UserService::is_active(const std::string& user) const {
  const std::lock_guard lock(mutex_);
  const auto known = users_.find(user);
  return known != users_.end() && known->second.is_active;
}

bool UserService::has_taken(const std::string& command_id) const {
  const std::lock_guard lock(mutex_);
  return seen_commands_.contains(command_id);
}

}  // namespace uniqd::demo
