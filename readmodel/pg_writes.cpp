#include "readmodel/pg_writes.hpp"

#include "readmodel/pg_copy.hpp"

namespace uniqd {
namespace {

// From so many rows on, what COPY saves by row is more than its own round trips cost.
constexpr std::size_t copied_rows_min = 20;

}  // namespace

void PgWrites::insert(PgNewRows rows) {
  const PgTable& table = rows.table();
  if (rows.count() >= copied_rows_min) {
    steps_.push_back({{"", table.columns}, {}, std::move(rows).take_fields()});
    return;
  }
  for (auto& row : rows.split()) {
    std::vector<PgArgument> arguments;
    arguments.reserve(row.size());
    for (auto& field : row) arguments.push_back(PgArgument::binary(std::move(field)));
    steps_.push_back({{table.insert_name, table.insert_sql}, std::move(arguments), {}});
  }
}

void PgWrites::send(PgSession& session) const {
  for (const Step& step : steps_) {
    if (*step.statement.name != '\0') {
      session.post_encoded(step.statement, step.arguments);
      continue;
    }
    PgCopy copy(session, step.statement.sql);
    copy.send(step.rows);
    copy.finish();
  }
}

}  // namespace uniqd
