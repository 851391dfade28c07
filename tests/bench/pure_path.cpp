// The pure path, for count_instructions.sh: the load decoded and folded, without any server.

#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <variant>
#include <vector>

#include "daemon/process_batch.hpp"
#include "readmodel/decode_event.hpp"
#include "tests/bench/sizes.hpp"
#include "tests/bench/user_stream.hpp"
#include "tests/bench/users_rules.hpp"

namespace {

using namespace uniqd;

constexpr std::size_t event_count = 40'000;

struct Work {
  std::vector<std::string> keys;
  std::vector<std::string> payloads;
  std::vector<Record> records;  // views into both
  Decoder decoder{bench::users_decoding("a key"), bench::users_constraints()};
  Policy policy = bench::users_policy();
  Loaded known{bench::users_constraints()};
  EventCounts counts;
};

void make_records(Work& work) {
  bench::UserStream stream;
  for (std::size_t i = 0; i < event_count; ++i) {
    const auto event = stream.next();
    work.keys.push_back(bench::user_id(event.user));
    work.payloads.push_back(bench::payload_of(event));
  }
  for (std::size_t i = 0; i < event_count; ++i) {
    work.records.push_back({Partition{0},
                            Offset{static_cast<std::int64_t>(i)},
                            1'714'521'600'000,
                            work.keys[i],
                            work.payloads[i],
                            {}});
  }
}

}  // namespace

// What is counted; by this name.
extern "C" [[gnu::noinline]] void uniqd_pure_path(Work* work) {
  std::vector<Event> events;
  for (std::size_t begin = 0; begin < work->records.size(); begin += bench::batch_events) {
    events.clear();
    for (std::size_t i = begin; i < begin + bench::batch_events; ++i) {
      auto decoded = work->decoder.decode(work->records[i]);
      if (auto* event = std::get_if<Event>(&decoded)) events.push_back(std::move(*event));
    }
    process_batch(
        events, work->policy, 1'714'521'600'000, [](Loaded&) {}, work->known, work->counts);
  }
}

int main() {
  Work work;
  make_records(work);
  uniqd_pure_path(&work);
  std::uint64_t folded = 0;
  for (const auto& [what, count] : work.counts.by_type_and_outcome) folded += count;
  if (folded != event_count || work.known.compensations.changes().empty()) {
    fmt::print(stderr, "pure_path: {} events of {} were folded\n", folded, event_count);
    return EXIT_FAILURE;
  }
  fmt::print("events: {}\n", folded);
  return EXIT_SUCCESS;
}
