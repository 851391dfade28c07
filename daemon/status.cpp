#include "daemon/status.hpp"

#include <fmt/format.h>

#include <chrono>
#include <iterator>
#include <nlohmann/json.hpp>

#include "commands/kafka_handles.hpp"
#include "daemon/assembly.hpp"

namespace uniqd {
namespace {

std::optional<std::int64_t> lag_of(const StoredPosition& stored, const PartitionEnds& ends) {
  const auto end = ends.find(stored.position.partition);
  if (end == ends.end()) return std::nullopt;
  const std::int64_t next =
      stored.position.next_offset ? stored.position.next_offset->value : std::int64_t{0};
  return std::max<std::int64_t>(0, end->second.value - next);
}

template <class T>
std::string or_unknown(const std::optional<T>& value) {
  return value ? fmt::format("{}", *value) : "unknown";
}

}  // namespace

PartitionEnds ask_for_ends(const Settings& settings, int timeout_ms) {
  PartitionEnds ends;
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  const auto left_ms = [&] {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    return static_cast<int>(std::max<std::int64_t>(1, left.count()));
  };
  const auto options = make_source_options(settings);
  const KafkaClient client = make_kafka_client(RD_KAFKA_CONSUMER, make_source_conf(options));
  const KafkaTopic topic(rd_kafka_topic_new(client.get(), options.topic.c_str(), nullptr));
  const TopicFacts facts = ask_for_topic(client.get(), topic.get(), left_ms());
  for (int partition = 0; partition < facts.partitions; ++partition) {
    std::int64_t low = 0;
    std::int64_t high = 0;
    if (rd_kafka_query_watermark_offsets(client.get(), options.topic.c_str(), partition, &low,
                                         &high, left_ms()) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ends[Partition{partition}] = Offset{high};
    }
  }
  return ends;
}

nlohmann::ordered_json status_json(const Settings& settings, const Overview& overview,
                                   const PartitionEnds& ends) {
  using Json = nlohmann::ordered_json;
  const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  Json positions = Json::array();
  for (const StoredPosition& stored : overview.positions) {
    const auto end = ends.find(stored.position.partition);
    const auto next = stored.position.next_offset;
    positions.push_back(
        {{"partition", to_number(stored.position.partition)},
         {"next_offset", next ? Json(next->value) : Json(nullptr)},
         {"end_offset", end == ends.end() ? Json(nullptr) : Json(end->second.value)},
         {"lag", or_null(lag_of(stored, ends))},
         {"applied_at", stored.applied_at}});
  }
  const Json paused = overview.paused ? Json{{"since", overview.paused->since},
                                             {"reason", overview.paused->reason},
                                             {"held", overview.messages_due}}
                                      : Json(nullptr);
  const Json rebuild = overview.rebuild ? Json{{"phase", overview.rebuild->phase},
                                               {"events", overview.rebuild->events},
                                               {"total", overview.rebuild->total}}
                                        : Json(nullptr);
  return {{"topic", settings.source.topic},
          {"paused", paused},
          {"rebuild", rebuild},
          {"schema", settings.readmodel.schema},
          {"positions", std::move(positions)},
          {"claims", overview.claims},
          {"compensations", overview.compensations},
          {"oldest_open_compensation_seconds", or_null(overview.oldest_open_compensation_seconds)},
          {"dead_letters", overview.dead_letters}};
}

std::string status_text(const Settings& settings, const Overview& overview,
                        const PartitionEnds& ends) {
  std::string text;
  auto out = std::back_inserter(text);
  fmt::format_to(out, "topic {}, read model in schema {}\n\n", settings.source.topic,
                 settings.readmodel.schema);
  if (overview.paused) {
    fmt::format_to(
        out,
        "SENDING IS PAUSED since {}: {}.\n{} messages are held back; 'uniqd resume' sends "
        "them.\n\n",
        overview.paused->since, overview.paused->reason, overview.messages_due);
  }
  if (overview.rebuild) {
    const auto& rebuild = *overview.rebuild;
    const auto percent = rebuild.total > 0 ? 100 * rebuild.events / rebuild.total : 0;
    fmt::format_to(out, "rebuild: {} %, {}, {} of {} events\n\n", percent, rebuild.phase,
                   rebuild.events, rebuild.total);
  }
  fmt::format_to(out, "{:>9}  {:>12}  {:>12}  {:>10}  {}\n", "partition", "next offset", "end",
                 "lag", "last moved");
  for (const StoredPosition& stored : overview.positions) {
    const auto end = ends.find(stored.position.partition);
    const auto next = stored.position.next_offset;
    fmt::format_to(out, "{:>9}  {:>12}  {:>12}  {:>10}  {}\n", to_number(stored.position.partition),
                   next ? fmt::format("{}", next->value) : "never read",
                   end == ends.end() ? "unknown" : fmt::format("{}", end->second.value),
                   or_unknown(lag_of(stored, ends)), stored.applied_at);
  }
  if (overview.positions.empty()) text += "  (no partition has been read yet)\n";
  text += "\nclaims\n";
  for (const auto& [constraint, count] : overview.claims) {
    fmt::format_to(out, "  {:<24} {:>12}\n", constraint, count);
  }
  text += "\ncompensations\n";
  for (const auto& [state, count] : overview.compensations) {
    fmt::format_to(out, "  {:<24} {:>12}\n", state, count);
  }
  if (overview.oldest_open_compensation_seconds) {
    fmt::format_to(out, "  the oldest open one is {:.0f} s old\n",
                   *overview.oldest_open_compensation_seconds);
  }
  fmt::format_to(out, "\ndead letters {:>25}\n", overview.dead_letters);
  return text;
}

}  // namespace uniqd
