#include "commands/kafka_handles.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace uniqd {
namespace {

// Why it is refused, if it is; that names the value, but never a secret: any text is a good secret.
std::optional<std::string> try_to_set(rd_kafka_conf_t* conf, const std::string& name,
                                      const std::string& value) {
  std::array<char, 512> why{};
  const auto result = rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size());
  return result == RD_KAFKA_CONF_OK ? std::nullopt : std::optional<std::string>(why.data());
}

// Why those that are refused are.
void set_all(rd_kafka_conf_t* conf, const KafkaProperties& properties,
             std::vector<std::string>& refused) {
  for (const auto& [name, value] : properties) {
    if (const auto why = try_to_set(conf, name, value)) {
      refused.push_back(fmt::format("Kafka property \"{}\": {}; correct or remove it", name, *why));
    }
  }
}

}  // namespace

std::optional<std::string> why_kafka_refuses(const std::string& name, const std::string& value) {
  return try_to_set(KafkaConf{rd_kafka_conf_new()}.get(), name, value);
}

KafkaConf make_kafka_conf(const KafkaProperties& defaults, const KafkaProperties& user,
                          const KafkaProperties& forced) {
  KafkaConf conf{rd_kafka_conf_new()};
  std::vector<std::string> refused;
  for (const KafkaProperties* properties : {&defaults, &user, &forced}) {
    set_all(conf.get(), *properties, refused);
  }
  if (!refused.empty()) throw BadKafkaProperties(fmt::format("{}", fmt::join(refused, "\n")));
  return conf;
}

KafkaClient make_kafka_client(rd_kafka_type_t type, KafkaConf conf) {
  std::array<char, 512> why{};
  KafkaClient client{rd_kafka_new(type, conf.get(), why.data(), why.size())};
  if (!client) {
    throw BadKafkaProperties(
        fmt::format("the Kafka properties do not go together: {}", std::string_view{why.data()}));
  }
  (void)conf.release();  // the client's now
  return client;
}

TopicFacts ask_for_topic(rd_kafka_t* client, rd_kafka_topic_t* topic, int timeout_ms) {
  const rd_kafka_metadata_t* raw = nullptr;
  TopicFacts facts;
  facts.error = rd_kafka_metadata(client, 0, topic, &raw, timeout_ms);
  const KafkaMetadata metadata{raw};
  if (facts.error != RD_KAFKA_RESP_ERR_NO_ERROR || !metadata) return facts;
  facts.is_answered = true;
  if (metadata->topic_cnt != 1) {
    facts.error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    return facts;
  }
  facts.error = metadata->topics[0].err;
  facts.partitions = metadata->topics[0].partition_cnt;
  return facts;
}

void wake_fetcher(rd_kafka_t* client, const std::string& topic, Partition partition, int wait_ms) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  rd_kafka_query_watermark_offsets(client, topic.c_str(), to_number(partition), &low, &high,
                                   wait_ms);
}

std::string missing_topic_text(std::string_view brokers, std::string_view topic) {
  return fmt::format(
      "topic \"{}\" does not exist on {}; create it, e.g. kafka-topics.sh --bootstrap-server {} "
      "--create --topic {} --partitions 1, and uniqd goes on by itself",
      topic, brokers, brokers, topic);
}

std::string unreachable_text(std::string_view brokers, std::string_view why) {
  return fmt::format(
      "cannot reach brokers {}{}{}{}; trying again. Check that they run, the address, and the "
      "security.* and sasl.* properties",
      brokers, why.empty() ? "" : " (", why, why.empty() ? "" : ")");
}

int ms_until(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

bool run_bounded(std::function<void()> work, int deadline_ms) {
  // Owned by the thread; where none can be had it is leaked, for ending it here could hang.
  auto* const owned = new std::function<void()>{std::move(work)};
  try {
    std::packaged_task<void()> task{[owned] {
      (*owned)();
      delete owned;
    }};
    auto done = task.get_future();
    std::thread thread{std::move(task)};
    if (done.wait_for(std::chrono::milliseconds{deadline_ms}) == std::future_status::ready) {
      thread.join();
      return true;
    }
    thread.detach();
  } catch (const std::exception&) {
  }
  return false;
}

}  // namespace uniqd
