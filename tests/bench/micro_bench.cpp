// The parts of the pure path, one by one, with Google Benchmark.

#include <benchmark/benchmark.h>

#include <string>
#include <variant>
#include <vector>

#include "commands/encode_command.hpp"
#include "daemon/process_batch.hpp"
#include "readmodel/decode_event.hpp"
#include "readmodel/digest.hpp"
#include "tests/bench/sizes.hpp"
#include "tests/bench/user_stream.hpp"
#include "tests/bench/users_rules.hpp"

namespace {

using namespace uniqd;
using benchmark::State;

struct Records {
  explicit Records(std::size_t count) {
    bench::UserStream stream;
    for (const auto& event : stream.next(count)) {
      keys.push_back(bench::user_id(event.user));
      payloads.push_back(bench::payload_of(event));
    }
    for (std::size_t i = 0; i < count; ++i) {
      all.push_back({Partition{0},
                     Offset{static_cast<std::int64_t>(i)},
                     1'714'521'600'000,
                     keys[i],
                     payloads[i],
                     {}});
    }
  }
  std::vector<std::string> keys;
  std::vector<std::string> payloads;
  std::vector<Record> all;  // views into both
};

std::vector<Event> decode_all(const Records& records) {
  Decoder decoder(bench::users_decoding("a key"), bench::users_constraints());
  std::vector<Event> events;
  for (const Record& record : records.all) {
    events.push_back(std::get<Event>(decoder.decode(record)));
  }
  return events;
}

void decode(State& state) {
  const Records records(bench::batch_events);
  Decoder decoder(bench::users_decoding("a key"), bench::users_constraints());
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(decoder.decode(records.all[i]));
    i = (i + 1) % records.all.size();
  }
  state.SetItemsProcessed(state.iterations());
}

void normalise(State& state) {
  const Normalizer& normalizer = bench::users_constraints()[0].normalizers[0];
  const std::string email = bench::email_of(1, 0);
  for (auto _ : state) benchmark::DoNotOptimize(normalizer(email));
  state.SetItemsProcessed(state.iterations());
}

void hash(State& state) {
  ValueHasher hasher("a key");
  const std::string email = bench::email_of(1, 0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(hasher.digest(bench::users_constraints()[0], 0, email));
  }
  state.SetItemsProcessed(state.iterations());
}

// A whole batch, judged, decided and applied; per event in the counters.
void fold(State& state) {
  const auto events = decode_all(Records(bench::batch_events));
  const Policy policy = bench::users_policy();
  for (auto _ : state) {
    Loaded known(bench::users_constraints());
    EventCounts counts;
    process_batch(
        events, policy, 1'714'521'600'000, [](Loaded&) {}, known, counts);
    benchmark::DoNotOptimize(counts);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(events.size()));
}

void encode(State& state) {
  const auto events = decode_all(Records(bench::batch_events));
  Loaded known(bench::users_constraints());
  EventCounts counts;
  process_batch(
      events, bench::users_policy(), 1'714'521'600'000, [](Loaded&) {}, known, counts);
  const auto opened = known.compensations.changes().opened;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        encode_command(opened.at(0), {"ce-users", CommandEnvelope::cloudevents_binary}));
  }
  state.SetItemsProcessed(state.iterations());
}

}  // namespace

BENCHMARK(decode);
BENCHMARK(normalise);
BENCHMARK(hash);
BENCHMARK(fold)->Unit(benchmark::kMicrosecond);
BENCHMARK(encode);

BENCHMARK_MAIN();
