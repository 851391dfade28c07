#include "tests/support/random_load.hpp"

#include <fmt/format.h>

#include "tests/support/user_events.hpp"

namespace uniqd::test {
namespace {

constexpr std::size_t past_max = 100'000;

}  // namespace

RandomLoad::RandomLoad(unsigned seed, int partitions, int users)
    : random_(seed), partitions_(partitions), users_(users) {}

std::vector<TestRecord> RandomLoad::next(std::size_t count) {
  std::vector<TestRecord> records;
  while (records.size() < count) records.push_back(next_one());
  return records;
}

TestRecord RandomLoad::next_one() {
  const int dice = below(100);
  if (dice < 12 && !past_.empty()) {
    return past_[static_cast<std::size_t>(below(static_cast<int>(past_.size())))];
  }
  TestRecord record = make_event();
  if (dice == 12) record.payload = "no JSON";
  if (dice == 13) record.payload.reset();
  remember(record);
  return record;
}

// Each record of the past is as likely as any other to be in the sample.
void RandomLoad::remember(const TestRecord& record) {
  ++past_count_;
  if (past_.size() < past_max) {
    past_.push_back(record);
  } else if (const auto place = static_cast<std::size_t>(below(past_count_)); place < past_max) {
    past_[place] = record;
  }
}

TestRecord RandomLoad::make_event() {
  const int user = below(users_);
  const int partition = user % partitions_;
  UserEvent event{
      "UserAdded", fmt::format("u{}", user), fmt::format("e{}", ++made_), {}, partition};
  const int dice = below(100);
  if (dice < 18) {
    event.type = "UserDeactivated";
  } else if (dice < 32) {
    event.type = "UserEmailChanged";
    event.fields["email"] = value("mail", partition);
  } else if (dice < 36) {
    event.type = "UserEmailChanged";
    event.fields["email"] = std::nullopt;
  } else if (dice < 44) {
    event.type = "UserNameChanged";
    event.fields["username"] = value("name", partition);
  } else if (dice < 46) {
    event.type = "UserSmiled";
  } else if (dice < 54) {
    event.type = "UserRenamed";
    if (below(2) == 0) event.fields["first"] = value("first", partition);
    if (below(2) == 0) event.fields["last"] = std::string(1, static_cast<char>('a' + below(4)));
  } else {
    event.fields["email"] = value("mail", partition);
    if (dice < 75) event.fields["username"] = value("name", partition);
    if (dice % 2 == 0) event.fields["first"] = value("first", partition);
    if (dice % 3 == 0) event.fields["last"] = std::string(1, static_cast<char>('a' + below(4)));
  }
  return cloud_event(event);
}

// Half as many values as users; sometimes written another way.
std::string RandomLoad::value(const char* kind, int partition) {
  const int number = below(users_ / 2 / partitions_ + 1);
  switch (below(4)) {
    case 0:
      return fmt::format(" {}-{}-{} ", kind, partition, number);
    case 1:
      return fmt::format("{}{}-{}-{}", static_cast<char>(kind[0] - 'a' + 'A'), kind + 1, partition,
                         number);
    default:
      return fmt::format("{}-{}-{}", kind, partition, number);
  }
}

int RandomLoad::below(int bound) {
  return static_cast<int>(random_() % static_cast<unsigned>(bound));
}

}  // namespace uniqd::test
