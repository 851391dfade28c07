#pragma once
// history_store.hpp - the history in PostgreSQL. It is written by advance_positions(), or its
// halves, and by those who carry out what a person wants.

#include <string>
#include <vector>

#include "readmodel/history.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// The steps from this ordinal on, in their order. Throws StoreFailure.
[[nodiscard]] std::vector<HistoryStep> read_history(PgSession& session, const std::string& topic,
                                                    std::int64_t from_ordinal);

}  // namespace uniqd
