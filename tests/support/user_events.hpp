#pragma once
// user_events.hpp - what a user service says on its topic, written and read back by the tests.

#include <map>
#include <optional>
#include <string>

#include "tests/simulation/oracle.hpp"
#include "tests/support/kafka_admin.hpp"

namespace uniqd::test {

struct UserEvent {
  std::string type;  // UserAdded, UserEmailChanged, UserNameChanged, UserRenamed, UserDeactivated
  std::string user;
  std::string id;
  // email, username, first, last; nothing: null
  std::map<std::string, std::optional<std::string>> fields{};
  std::int32_t partition = -1;  // -1: by key
};

// The event as a record, keyed by its user: a CloudEvent in binary mode, in structured mode, or
// plain JSON.
[[nodiscard]] TestRecord cloud_event(const UserEvent& event);
[[nodiscard]] TestRecord structured_event(const UserEvent& event);
[[nodiscard]] TestRecord plain_event(const UserEvent& event);

// What a record says, read naively: values are trimmed and in lower case (ASCII). A record without
// the user it is about, or that is not JSON, is `bad`; an unknown type or a tombstone passed over.
[[nodiscard]] simulation::Told told_by(const TestRecord& record);

}  // namespace uniqd::test
