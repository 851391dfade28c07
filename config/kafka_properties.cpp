#include "config/kafka_properties.hpp"

#include <fmt/format.h>

#include <array>

namespace uniqd::settings {
namespace {

struct Owned {
  std::string_view name;
  std::string_view reason;
  std::string_view remedy = "remove it";
};

constexpr std::string_view positions = "positions are kept in the read model";
constexpr std::string_view no_jump = "a lost position must halt, never jump";
constexpr std::string_view eof = "the end of a partition is learned from it";
constexpr std::string_view idempotent = "the producer is always idempotent with acks=all";
constexpr std::string_view in_code = "it is set by code, not by configuration";

constexpr std::array table{
    Owned{"enable.auto.commit", positions},
    Owned{"auto.commit.enable", positions},
    Owned{"enable.auto.offset.store", positions},
    Owned{"auto.offset.reset", no_jump, "use source.start for a partition without a position"},
    Owned{"isolation.level", "aborted events must not be seen"},
    Owned{"enable.partition.eof", eof},
    Owned{"partition.assignment.strategy", "all instances of a group must use the same one"},
    Owned{"group.protocol", "all instances of a group must use the same one"},
    Owned{"group.id", "it has a key of its own", "use source.group"},
    Owned{"bootstrap.servers", "it has a key of its own", "use source.brokers"},
    Owned{"metadata.broker.list", "it has a key of its own", "use source.brokers"},
    Owned{"check.crcs", "a damaged record must be seen"},
    Owned{"allow.auto.create.topics", "a misspelt topic must not come into being"},
    Owned{"enable.idempotence", idempotent},
    Owned{"acks", idempotent},
    Owned{"request.required.acks", idempotent},
    Owned{"transactional.id", "commands leave through the outbox, not in Kafka transactions"},
    Owned{"enable.gapless.guarantee", "the outbox sends again what is missing"},
    Owned{"opaque", in_code},
    Owned{"interceptors", in_code},
    Owned{"default_topic_conf", in_code},
};

}  // namespace

std::optional<Complaint> check_kafka_property(std::string_view name) {
  for (const Owned& owned : table) {
    if (owned.name != name) continue;
    return Complaint{fmt::format("belongs to uniqd: {}", owned.reason), "",
                     std::string{owned.remedy}};
  }
  if (!name.ends_with("_cb")) return std::nullopt;
  return Complaint{fmt::format("belongs to uniqd: {}", in_code), "", "remove it"};
}

}  // namespace uniqd::settings
