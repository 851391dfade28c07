#include "tests/bench/user_stream.hpp"

#include <fmt/format.h>

#include <utility>

namespace uniqd::bench {
namespace {

// A bijection (splitmix64's), so that different numbers stay different.
std::uint64_t scatter(std::uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ (number >> 30U)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27U)) * 0x94d049bb133111eb;
  return number ^ (number >> 31U);
}

std::string uuid(std::uint64_t number, std::uint64_t salt) {
  const std::uint64_t high = scatter(number ^ salt);
  const std::uint64_t low = scatter(number + salt);
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32U, (high >> 16U) & 0xffffU,
                     high & 0xfffU, 0x8000U | (low >> 50U), low & 0xffffffffffffU);
}

constexpr std::uint64_t user_salt = 0x7573657200000000;
constexpr std::uint64_t event_salt = 0x6576656e74000000;

const char* type_of(UserEvent::Kind kind) {
  switch (kind) {
    case UserEvent::Kind::added:
    case UserEvent::Kind::duplicate:
      return "UserAdded";
    case UserEvent::Kind::email_changed:
      return "UserEmailChanged";
    case UserEvent::Kind::deactivated:
      break;
  }
  return "UserDeactivated";
}

}  // namespace

std::string user_id(std::uint64_t user) { return uuid(user, user_salt); }

std::string event_id(std::uint64_t event) { return uuid(event, event_salt); }

std::string email_of(std::uint64_t user, unsigned version) {
  return fmt::format("user.{:016x}.{}@example.org", scatter(user), version);
}

std::string payload_of(const UserEvent& event) {
  const auto second = event.number % 86400;
  const auto head = fmt::format(
      R"({{"id":"{}","type":"{}","time":"2024-05-01T{:02}:{:02}:{:02}.{:03}Z","data":{{"userId":"{}")",
      event_id(event.number), type_of(event.kind), second / 3600, second / 60 % 60, second % 60,
      event.number % 1000, user_id(event.user));
  if (event.kind == UserEvent::Kind::deactivated) {
    return head +
           R"(,"reason":"The user asked for the account to be closed.","by":"self-service"}})";
  }
  return fmt::format(R"({},"email":"{}","locale":"en-GB","source":"web"}}}})", head, event.email);
}

UserStream::UserStream(std::uint64_t owners, std::uint64_t violators, std::uint64_t seed)
    : random_(seed), owner_count_(owners), present_count_(owners + violators) {
  users_.resize(owners, Standing::owner);
  users_.resize(owners + violators, Standing::violator);
}

std::uint64_t UserStream::below(std::uint64_t bound) { return random_() % bound; }

std::uint64_t UserStream::pick_user() { return first_ + below(users_.size() - first_); }

std::uint64_t UserStream::pick_owner() {
  std::uint64_t user = pick_user();
  while (users_[user] != Standing::owner) user = pick_user();
  return user;
}

std::uint64_t UserStream::pick_present() {
  std::uint64_t user = pick_user();
  while (users_[user] == Standing::gone) user = pick_user();
  return user;
}

std::uint64_t UserStream::oldest() {
  while (users_[first_] == Standing::gone) ++first_;
  return first_;
}

std::string UserStream::email(std::uint64_t user) const {
  const auto version = versions_.find(user);
  return email_of(user, version == versions_.end() ? 0 : version->second);
}

UserEvent UserStream::make(UserEvent::Kind kind, std::uint64_t user) {
  return {kind, events_++, user};
}

UserEvent UserStream::add() {
  UserEvent event = make(UserEvent::Kind::added, users_.size());
  event.email = email(event.user);
  users_.push_back(Standing::owner);
  ++owner_count_;
  ++present_count_;
  return event;
}

UserEvent UserStream::duplicate() {
  const std::uint64_t owner = pick_owner();
  UserEvent event = make(UserEvent::Kind::duplicate, users_.size());
  event.email = email(owner);
  event.owner = owner;
  users_.push_back(Standing::violator);
  ++present_count_;
  return event;
}

UserEvent UserStream::leave(std::uint64_t user) {
  if (users_[user] == Standing::owner) --owner_count_;
  users_[user] = Standing::gone;
  --present_count_;
  versions_.erase(user);
  return make(UserEvent::Kind::deactivated, user);
}

UserEvent UserStream::next() {
  const std::uint64_t drawn = below(1000);
  // With so few there would soon be nobody left.
  if (owner_count_ < 10) return add();
  if (drawn < 900 && present_count_ >= present_max_) return leave(oldest());
  if (drawn < 45) return duplicate();
  if (drawn < 900) return add();
  if (drawn < 950) {
    UserEvent event = make(UserEvent::Kind::email_changed, pick_owner());
    event.email = email_of(event.user, ++versions_[event.user]);
    return event;
  }
  return leave(pick_present());
}

std::vector<UserEvent> UserStream::next(std::size_t count) {
  std::vector<UserEvent> events;
  events.reserve(count);
  while (events.size() < count) events.push_back(next());
  return events;
}

}  // namespace uniqd::bench
