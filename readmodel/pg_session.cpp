#include "readmodel/pg_session.hpp"

#include <libpq-fe.h>

#include <array>
#include <map>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "readmodel/pg_result.hpp"

namespace uniqd {
namespace {

constexpr PgStatement begin_transaction{"begin", "BEGIN"};

std::string quoted(const std::string& value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// A failed login has no SQLSTATE in libpqxx; the server's sentence must do.
std::string connect_sqlstate(const std::string& text) {
  const auto says = [&](const char* part) { return text.find(part) != std::string::npos; };
  if (says("password authentication failed") || says("no pg_hba.conf entry") ||
      says("no password supplied") || says("Peer authentication failed") ||
      (says("role \"") && says("does not exist"))) {
    return "28000";
  }
  if (says("database \"") && says("does not exist")) return "3D000";
  if (says("too many clients") || says("remaining connection slots")) return "53300";
  if (says("is starting up") || says("is shutting down") || says("recovery mode")) return "57P03";
  if (says("session is read-only") || says("server is in hot standby")) return "25006";
  return "";
}

// Version 6 of libpqxx tells some failures by their types only.
std::string sqlstate_of(const pqxx::sql_error& failure) {
  const auto is = [&]<class Failure>(std::type_identity<Failure>) {
    return dynamic_cast<const Failure*>(&failure) != nullptr;
  };
  if (!failure.sqlstate().empty()) return failure.sqlstate();
  if (is(std::type_identity<pqxx::insufficient_privilege>{})) return "42501";
  if (is(std::type_identity<pqxx::undefined_table>{})) return "42P01";
  if (is(std::type_identity<pqxx::undefined_column>{})) return "42703";
  if (is(std::type_identity<pqxx::unique_violation>{})) return "23505";
  if (is(std::type_identity<pqxx::disk_full>{})) return "53100";
  if (is(std::type_identity<pqxx::insufficient_resources>{})) return "53000";
  return "XX000";
}

// From the first quote to the last.
std::string without_quoted(std::string text) {
  const auto first = text.find('"');
  if (first == std::string::npos) return text;
  const auto last = text.rfind('"');
  return text.replace(first, last > first ? last - first + 1 : std::string::npos, "\"...\"");
}

struct FreeConninfo {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using ConninfoOptions = std::unique_ptr<PQconninfoOption, FreeConninfo>;

// Nothing where libpq does not take it; then `why`, without what may be a password.
ConninfoOptions parse_conninfo(const std::string& conninfo, std::string& why) {
  char* error = nullptr;
  ConninfoOptions options(PQconninfoParse(conninfo.c_str(), &error));
  if (options) return options;
  why = error ? without_quoted(first_line(error)) : "no connection string";
  why += " (it may hold a password, so what is in quotes is not shown)";
  PQfreemem(error);
  return nullptr;
}

}  // namespace

const std::string& whole_text(const std::string& text) {
  if (text.find('\0') == std::string::npos) return text;
  throw StoreFailure(std::string(not_utf8_sqlstate), "a text for the database contains a NUL");
}

std::optional<std::string> why_libpq_refuses(const std::string& conninfo) {
  std::string why;
  return parse_conninfo(conninfo, why) ? std::nullopt : std::optional(why);
}

std::string with_deadlines(const std::string& conninfo) {
  std::string why;
  const ConninfoOptions options = parse_conninfo(conninfo, why);
  if (!options) throw StoreFailure("08001", "readmodel.postgres: " + why);
  std::map<std::string, std::string> values{{"application_name", "uniqd"},
                                            {"connect_timeout", "5"},
                                            {"keepalives_idle", "10"},
                                            {"keepalives_interval", "5"},
                                            {"keepalives_count", "3"},
                                            {"tcp_user_timeout", "20000"},
                                            {"target_session_attrs", "read-write"}};
  for (const PQconninfoOption* option = options.get(); option->keyword; ++option) {
    if (option->val) values[option->keyword] = option->val;
  }
  std::string text;
  for (const auto& [keyword, value] : values) text += keyword + "=" + quoted(value) + " ";
  return text;
}

#if PQXX_VERSION_MAJOR < 7
PgConnection::PgConnection(const std::string& conninfo)
    : connection_base(policy_), policy_(conninfo) {
  init();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  inhibit_reactivation(true);  // which would lose the session's settings
#pragma GCC diagnostic pop
}

PgConnection::Policy::handle PgConnection::Policy::do_startconnect(handle before) {
  connected = connect_direct::do_startconnect(before);
  return connected;
}
#else
PgConnection::PgConnection(const std::string& conninfo)
    : PgConnection(PQconnectdb(conninfo.c_str())) {}
#endif

PgSession::PgSession(const PgTarget& target) {
  const std::string conninfo = with_deadlines(target.conninfo);
  try {
    connection_ = std::make_unique<PgConnection>(conninfo);
  } catch (const pqxx::broken_connection& failure) {
    throw StoreFailure(connect_sqlstate(failure.what()), first_line(failure.what()));
  }
  // Sequential scans are never right for the batch statements, whatever the planner thinks of a
  // young table's statistics. Compiling is never worth its time for them either, and a sequential
  // scan that cannot be avoided looks dear enough for it.
  run("SET search_path = \"" + target.schema +
      "\"; SET statement_timeout = '30s'; SET lock_timeout = '10s';"
      " SET idle_in_transaction_session_timeout = '30s'; SET client_min_messages = 'warning';"
      " SET timezone = 'UTC'; SET bytea_output = 'hex'; SET enable_seqscan = off;"
      " SET jit = off;");
}

void PgSession::rethrow_as_store_failure() {
  try {
    throw;
  } catch (const StoreFailure&) {
    throw;
#if PQXX_VERSION_MAJOR < 7
  } catch (const pqxx::transaction_rollback& failure) {
    throw StoreFailure("40001", first_line(failure.what()));
#endif
  } catch (const pqxx::broken_connection& failure) {
    throw StoreFailure("", first_line(failure.what()));
  } catch (const pqxx::sql_error& failure) {
    throw StoreFailure(sqlstate_of(failure), first_line(failure.what()));
  } catch (const pqxx::failure& failure) {
    throw StoreFailure("XX000", first_line(failure.what()));
  }
}

void PgSession::begin() { transaction_ = Transaction::to_begin; }

void PgSession::commit_transaction() {
  if (transaction_ == Transaction::open) {
    send_text("COMMIT");
    if (hand_out() != "COMMIT") throw StoreFailure("40000", "the transaction was rolled back");
  }
  transaction_ = Transaction::none;
}

void PgSession::roll_back() noexcept {
  const auto before = std::exchange(transaction_, Transaction::none);
  try {
    if (has_posted_) (void)end_pipeline();
    if (before == Transaction::open) PQclear(PQexec(raw(), "ROLLBACK"));
  } catch (...) {
    // The connection is gone, and the transaction with it.
  }
}

pqxx::result PgSession::run(const std::string& sql) {
  flush();
  return guarded([&] {
    pqxx::nontransaction single(*connection_);
    return single.exec(sql);
  });
}

void PgSession::begin_pipeline() {
  if (!has_posted_ && PQenterPipelineMode(raw()) != 1) {
    throw StoreFailure("", first_line(PQerrorMessage(raw())));
  }
  has_posted_ = true;
  if (transaction_ != Transaction::to_begin) return;
  transaction_ = Transaction::open;
  post(begin_transaction);
}

void PgSession::send_text(const char* sql) {
  begin_pipeline();
  if (PQsendQueryParams(raw(), sql, 0, nullptr, nullptr, nullptr, nullptr, 0) != 1) {
    throw StoreFailure("", first_line(PQerrorMessage(raw())));
  }
  sent_.emplace_back();
}

void PgSession::send(const PgStatement& statement, const std::vector<PgArgument>& arguments,
                     const Take& take) {
  if (transaction_ == Transaction::none && !take) {
    throw std::logic_error("nothing is posted outside of a transaction");
  }
  begin_pipeline();
  PGconn* connection = raw();
  const auto check = [&](int is_sent) {
    if (is_sent != 1) throw StoreFailure("", first_line(PQerrorMessage(connection)));
  };
  const std::string name = std::string("posted ") + statement.name;
  if (prepared_to_post_.insert(statement.name).second) {
    check(PQsendPrepare(connection, name.c_str(), statement.sql, 0, nullptr));
    sent_.emplace_back();
  }
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
  for (const PgArgument& argument : arguments) {
    values.push_back(argument.bytes ? argument.bytes->c_str() : nullptr);
    lengths.push_back(argument.bytes ? static_cast<int>(argument.bytes->size()) : 0);
    formats.push_back(argument.is_binary ? 1 : 0);
  }
  check(PQsendQueryPrepared(connection, name.c_str(), static_cast<int>(arguments.size()),
                            values.data(), lengths.data(), formats.data(), 0));
  sent_.push_back(take);
}

void PgSession::flush() {
  if (transaction_ == Transaction::to_begin) begin_pipeline();
  if (has_posted_) (void)hand_out();
}

std::string PgSession::hand_out() {
  const PipelineEnd end = end_pipeline();
  if (end.failure) throw StoreFailure(*end.failure);
  for (const auto& [take, answer] : end.answers) take(PgRows(answer.get()));
  return end.last_command;
}

PgSession::PipelineEnd PgSession::end_pipeline() {
  PGconn* connection = raw();
  has_posted_ = false;
  std::vector<Take> sent = std::exchange(sent_, {});
  PipelineEnd end;
  const auto fail = [&](const char* sqlstate, const char* text) {
    if (!end.failure) end.failure.emplace(sqlstate ? sqlstate : "", first_line(text));
  };
  bool is_synced = PQpipelineSync(connection) != 1;
  // Nothing follows the answer to each that was sent; nothing twice in a row says that the
  // connection is gone.
  std::size_t answered = 0;
  for (bool was_null = false; !is_synced;) {
    PgResult result(PQgetResult(connection));
    if (!result) {
      if (was_null) break;
      was_null = true;
      ++answered;
      continue;
    }
    was_null = false;
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_PIPELINE_SYNC) {
      is_synced = true;
      continue;
    }
    if (status == PGRES_FATAL_ERROR) {
      fail(PQresultErrorField(result.get(), PG_DIAG_SQLSTATE), PQresultErrorMessage(result.get()));
    }
    end.last_command = PQcmdStatus(result.get());
    if (answered < sent.size() && sent[answered]) {
      end.answers.emplace_back(std::move(sent[answered]), std::move(result));
    }
  }
  if (PQexitPipelineMode(connection) != 1 || PQstatus(connection) != CONNECTION_OK) {
    fail("", PQerrorMessage(connection));
  }
  return end;
}

void PgSession::prepare(const PgStatement& statement) {
  if (prepared_.contains(statement.name)) return;
  connection_->prepare(statement.name, statement.sql);
  prepared_.insert(statement.name);
}

void take_lock(PgSession& session, PgLock lock, const std::string& schema) {
  static constexpr PgStatement statement{
      "take_lock", "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))"};
  const char* what = lock == PgLock::batch ? "uniqd batch " : "uniqd migration ";
  session.post(statement, what + schema);
}

std::string bytes_of(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / 2);
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 2; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1]));
  }
  return bytes;
}

}  // namespace uniqd
