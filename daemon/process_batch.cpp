#include "daemon/process_batch.hpp"

#include "readmodel/fetch_ahead.hpp"

namespace uniqd {

std::string_view outcome_name(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::absent:
      return "absent";
    case Verdict::Kind::redelivered:
      return "redelivered";
    case Verdict::Kind::released:
      return "released";
    case Verdict::Kind::unchanged:
      return "unchanged";
    case Verdict::Kind::taken:
      return "taken";
    case Verdict::Kind::violating:
      return "violating";
  }
  return "unknown";
}

std::string_view outcome_name(Skipped skipped) {
  switch (skipped) {
    case Skipped::tombstone:
      return "tombstone";
    case Skipped::unknown_type:
      return "unknown";
    case Skipped::redelivered:
      return "redelivered";
  }
  return "unknown";
}

namespace {

void fold(const std::vector<Event>& events, const Policy& policy, std::int64_t now_ms,
          Loaded& loaded, EventCounts& counts) {
  loaded.claiming.clear();
  const auto fetch = [&](const Event& event) { loaded.model.prefetch(event); };
  each_fetched_ahead(events, fetch, [&](const Event& event) {
    const Verdict verdict = judge(loaded.model, event);
    const auto opened = decide(loaded.model, event, verdict, policy, now_ms, loaded.compensations);
    const FreedKeys freed = apply(loaded.model, event, verdict, opened);
    if (!freed.empty()) promote(freed, event, loaded.model, loaded.compensations);
    counts.count(event.type, outcome_name(verdict.kind));
    if (verdict.kind == Verdict::Kind::taken || verdict.kind == Verdict::Kind::violating) {
      loaded.claiming.push_back(verdict.kind == Verdict::Kind::violating &&
                                has_message(policy, event, verdict));
    }
    if (event.key_differs) ++counts.key_mismatches;
  });
}

}  // namespace

void process_batch(const std::vector<Event>& events, const Policy& policy, std::int64_t now_ms,
                   const std::function<void(Loaded&)>& load_missing, Loaded& loaded,
                   EventCounts& counts) {
  const EventCounts before = counts;
  fold(events, policy, now_ms, loaded, counts);
  while (!loaded.model.missing().empty()) {
    load_missing(loaded);
    counts = before;
    fold(events, policy, now_ms, loaded, counts);
  }
}

}  // namespace uniqd
