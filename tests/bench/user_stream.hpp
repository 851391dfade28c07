#pragma once
// user_stream.hpp - the load: what a user service says, as it would say it.

#include <cstdint>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace uniqd::bench {

// A user and an event are numbers; their ids are random UUIDs made of the number, always the same.
[[nodiscard]] std::string user_id(std::uint64_t user);
[[nodiscard]] std::string event_id(std::uint64_t event);
// The user's `version`-th address, counted from 0. No two are alike; normalised as it is.
[[nodiscard]] std::string email_of(std::uint64_t user, unsigned version);

struct UserEvent {
  enum class Kind : std::uint8_t { added, duplicate, email_changed, deactivated };
  Kind kind = Kind::added;
  std::uint64_t number = 0;  // of the event
  std::uint64_t user = 0;
  std::string email{};      // that it asks for; empty where it leaves
  std::uint64_t owner = 0;  // of that address, for a duplicate
};

// About 250 bytes of JSON: {id, type, time, data}.
[[nodiscard]] std::string payload_of(const UserEvent& event);

// 90 % UserAdded, of which 5 % with an address that is taken; 5 % UserEmailChanged, to one that is
// free; 5 % UserDeactivated. Who changes, leaves or is copied is drawn from all users there are.
// The same arguments make the same events. Thread safety: none.
class UserStream {
 public:
  // There are `owners` users already, 0 and up, each with its 0th address; and behind them
  // `violators`, the n-th of which wants the address of user n modulo `owners`.
  explicit UserStream(std::uint64_t owners = 0, std::uint64_t violators = 0,
                      std::uint64_t seed = 1);

  // From now on no more than so many users are present at a time: where one more would come, who
  // came first leaves instead. So half of the events are of users who leave.
  void settle_at(std::uint64_t present_max) { present_max_ = present_max; }

  [[nodiscard]] UserEvent next();
  [[nodiscard]] std::vector<UserEvent> next(std::size_t count);
  // One of a kind. REQUIRES: for a duplicate, some user owns an address.
  [[nodiscard]] UserEvent add();
  [[nodiscard]] UserEvent duplicate();

 private:
  enum class Standing : std::uint8_t { owner, violator, gone };
  [[nodiscard]] std::uint64_t below(std::uint64_t bound);
  [[nodiscard]] std::uint64_t pick_user();
  [[nodiscard]] std::uint64_t pick_owner();
  [[nodiscard]] std::uint64_t pick_present();
  // Who came first. REQUIRES: somebody is present.
  [[nodiscard]] std::uint64_t oldest();
  [[nodiscard]] std::string email(std::uint64_t user) const;
  [[nodiscard]] UserEvent make(UserEvent::Kind kind, std::uint64_t user);
  [[nodiscard]] UserEvent leave(std::uint64_t user);

  std::mt19937_64 random_;
  std::uint64_t events_ = 0;
  std::uint64_t owner_count_ = 0;
  std::uint64_t present_count_ = 0;
  std::uint64_t present_max_ = static_cast<std::uint64_t>(-1);
  std::vector<Standing> users_;
  std::uint64_t first_ = 0;                               // those before it are gone
  std::unordered_map<std::uint64_t, unsigned> versions_;  // of the addresses that were changed
};

}  // namespace uniqd::bench
