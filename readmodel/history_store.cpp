#include "readmodel/history_store.hpp"

#include <string_view>

namespace uniqd {
namespace {

constexpr PgStatement select_history{
    "select_history",
    "SELECT ordinal, what, coalesce(partition, -1), coalesce(next_offset, \"offset\", -1),"
    " compensation FROM history WHERE topic = $1 AND ordinal >= $2::int8 ORDER BY ordinal"};

HistoryStep::Kind kind_of(std::string_view what) {
  if (what == "applied") return HistoryStep::Kind::applied;
  if (what == "again") return HistoryStep::Kind::again;
  if (what == "retry") return HistoryStep::Kind::retry;
  if (what == "dismiss") return HistoryStep::Kind::dismiss;
  throw StoreFailure("XX001", "the table history has a line that this uniqd does not know");
}

}  // namespace

std::vector<HistoryStep> read_history(PgSession& session, const std::string& topic,
                                      std::int64_t from_ordinal) {
  std::vector<HistoryStep> steps;
  for (const auto& row : session.run(select_history, topic, from_ordinal)) {
    HistoryStep step;
    step.ordinal = row[0].as<std::int64_t>();
    step.kind = kind_of(row[1].c_str());
    step.partition = Partition{row[2].as<std::int32_t>()};
    step.offset = Offset{row[3].as<std::int64_t>()};
    if (!row[4].is_null()) step.compensation = uuid_of<CompensationId>(row[4]);
    steps.push_back(step);
  }
  return steps;
}

}  // namespace uniqd
