#pragma once
// user_service.hpp - the other side of the pattern: a service that owns the User aggregate. It
// knows each user, but has no rule across users; that is what uniqd is for.
//
// It is small on purpose and shows what uniqd asks of a service: events keyed by user id, each with
// an id of its own; commands taken from a topic; a command id that was seen before is dropped.
// State is in memory: a real service keeps users, seen command ids and the events yet to be
// published in its database, in one transaction.

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "commands/kafka_handles.hpp"
#include "tests/demo/topic_reader.hpp"

namespace uniqd::demo {

struct UserServiceOptions {
  std::string brokers;
  std::string events_topic;    // both topics exist
  std::string commands_topic;  // of one partition, read from its beginning
};

// What the service has done so far.
struct UserServiceFacts {
  std::size_t users = 0;
  std::size_t active_users = 0;
  std::size_t events_published = 0;  // acknowledged by the broker
  std::size_t commands_taken = 0;    // with an id not seen before
  std::size_t commands_dropped = 0;  // with an id seen before
};

// Publishes in the order of the calls. Thread safe; commands are taken on a thread of its own.
// Throws std::runtime_error where Kafka fails, and std::invalid_argument for a command that the
// aggregate refuses.
class UserService {
 public:
  // Starts to take commands.
  explicit UserService(UserServiceOptions options);
  // Takes no more; what is published is flushed.
  ~UserService();
  UserService(const UserService&) = delete;
  UserService& operator=(const UserService&) = delete;

  // "Add user": refused for an id that is known. Raises UserAdded and returns its event id.
  std::string add_user(const std::string& user, const std::string& email);
  // A user leaves by himself: refused unless active. Raises UserDeactivated.
  std::string deactivate_user(const std::string& user);
  // Publishes an event once more, as a publisher does that crashed before it noted the
  // acknowledgement.
  void publish_again(const std::string& event_id);

  // Returns when the broker has all events.
  void flush();

  [[nodiscard]] UserServiceFacts facts() const;
  [[nodiscard]] bool is_active(const std::string& user) const;
  [[nodiscard]] bool has_taken(const std::string& command_id) const;

 private:
  struct User {
    std::string email;
    bool is_active = true;
  };
  struct Event {
    std::string user;
    std::map<std::string, std::string> headers;
    std::string data;
  };

  std::string raise(const std::string& type, const std::string& user, std::string data,
                    const std::string& correlation_id, const std::string& causation_id);
  void publish(const Event& event);
  void take_commands();
  void take_command(const test::TestRecord& command);
  void take_deactivate_user(const std::string& user, const std::string& command_id,
                            const std::string& correlation_id);

  UserServiceOptions options_;
  mutable std::mutex mutex_;  // guards what follows up to the clients
  std::map<std::string, User> users_;
  std::map<std::string, Event> events_;  // by id
  std::set<std::string> seen_commands_;
  std::size_t dropped_commands_ = 0;

  std::atomic<std::size_t> delivered_ = 0;
  std::atomic<bool> has_failed_ = false;  // a publication
  KafkaClient producer_;                  // refers to the two above
  TopicReader commands_;                  // the taker's alone
  std::atomic<bool> is_stopping_ = false;
  std::thread taker_;
};

}  // namespace uniqd::demo
