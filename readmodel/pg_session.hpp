#pragma once
// pg_session.hpp - a connection to PostgreSQL; the one place that knows which libpqxx it is.

#include <functional>
#include <memory>
#include <optional>
#include <pqxx/pqxx>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "readmodel/pg_array.hpp"
#include "readmodel/pg_result.hpp"
#include "readmodel/store_failure.hpp"

namespace uniqd {

struct PgTarget {
  std::string conninfo;  // libpq URI or keywords; what is missing comes from PG* variables
  std::string schema;    // a plain identifier
};

// Why libpq does not take a connection string, without what may be a password; nothing where it
// does.
[[nodiscard]] std::optional<std::string> why_libpq_refuses(const std::string& conninfo);

// The given connection string with a deadline for everything that it leaves open.
[[nodiscard]] std::string with_deadlines(const std::string& conninfo);

// A prepared statement; both texts must outlive the session.
struct PgStatement {
  const char* name;
  const char* sql;
};

// The text, which libpq would cut off at a NUL without a word. Throws StoreFailure where it has
// one, as the server does for bytes that are no UTF-8.
const std::string& whole_text(const std::string& text);

// A parameter's value as the server takes it.
struct PgArgument {
  explicit PgArgument(const PgArray& array) : bytes(array.encode()), is_binary(true) {}
  explicit PgArgument(const std::string& text) : bytes(whole_text(text)) {}
  template <class Argument>
  explicit PgArgument(const Argument& argument) : bytes(pqxx::to_string(argument)) {}
  // Of a value, not an array, in its binary form; none: null.
  static PgArgument binary(std::optional<std::string> value) {
    PgArgument argument(0);
    argument.bytes = std::move(value);
    argument.is_binary = true;
    return argument;
  }
  std::optional<std::string> bytes;  // none: null
  bool is_binary = false;
};

// An answer's rows; of each, columns as text, empty for null. Good as long as the answer.
class PgRows {
 public:
  explicit PgRows(const PGresult* answer) : answer_(answer) {}
  [[nodiscard]] int size() const { return PQntuples(answer_); }
  [[nodiscard]] std::string_view text(int row, int column) const {
    return {PQgetvalue(answer_, row, column),
            static_cast<std::size_t>(PQgetlength(answer_, row, column))};
  }

 private:
  const PGresult* answer_;
};

// libpqxx's connection, and libpq's below it, which alone can COPY in binary form.
#if PQXX_VERSION_MAJOR < 7
class PgConnection : public pqxx::connection_base {
 public:
  explicit PgConnection(const std::string& conninfo);
  ~PgConnection() noexcept { close(); }
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;
  [[nodiscard]] pg_conn* raw() const { return policy_.connected; }

 private:
  struct Policy : pqxx::connect_direct {
    using pqxx::connect_direct::connect_direct;
    handle do_startconnect(handle before) override;
    handle connected = nullptr;
  };
  Policy policy_;
};
#else
class PgConnection : public pqxx::connection {
 public:
  explicit PgConnection(const std::string& conninfo);
  [[nodiscard]] pg_conn* raw() const { return raw_; }

 private:
  explicit PgConnection(pg_conn* raw) : pqxx::connection(seize_raw_connection(raw)), raw_(raw) {}
  pg_conn* raw_;
};
#endif

// One connection, with or without a transaction. Never reconnects by itself: after a StoreFailure
// throw it away. Thread safety: none.
class PgSession {
 public:
  // Connects, with deadlines for connecting, statements and locks, and with `schema` as the search
  // path (which need not exist yet). Throws StoreFailure.
  explicit PgSession(const PgTarget& target);

  // For one who runs the same few statements for ever, all of them by their keys: they are planned
  // once, not for each new set of arguments.
  void plan_once() { run("SET plan_cache_mode = force_generic_plan"); }

  // READ COMMITTED; the server hears of it with what is run or posted first. REQUIRES: no
  // transaction is open.
  void begin();
  // With what was posted before it, in one round trip. Throws StoreFailure; without a SQLSTATE the
  // outcome is in doubt.
  void commit_transaction();
  void roll_back() noexcept;

  // Runs SQL text, several statements allowed, in the transaction if one is open.
  pqxx::result run(const std::string& sql);

  // Runs a prepared statement, in the transaction if one is open. Arguments: text (std::string,
  // const char*), numbers, and PgArray.
  template <class... Arguments>
  pqxx::result run(const PgStatement& statement, const Arguments&... arguments) {
    flush();
    return guarded([&] {
      prepare(statement);
      pqxx::nontransaction single(*connection_);  // as libpqxx sees it
      return single.exec_prepared(statement.name, bind(arguments)...);
    });
  }

  // As run(), for what has no answer: the server gets on with it, and how it went is told by the
  // next call of anything else, so that several cost one round trip.
  // REQUIRES: a transaction is open.
  template <class... Arguments>
  void post(const PgStatement& statement, const Arguments&... arguments) {
    send(statement, {PgArgument(arguments)...}, {});
  }
  void post_encoded(const PgStatement& statement, const std::vector<PgArgument>& arguments) {
    send(statement, arguments, {});
  }
  // As post(), for what has an answer, which is handed to `take` once it is waited for.
  using Take = std::function<void(const PgRows&)>;
  template <class... Arguments>
  void ask(const Take& take, const PgStatement& statement, const Arguments&... arguments) {
    send(statement, {PgArgument(arguments)...}, take);
  }
  // Waits for what was posted and asked, and hands out the answers, in the order of the questions.
  void flush();

  // For what the above does not cover; in the transaction if one is open. Owned by the session.
  // REQUIRES: flush(), and nothing posted since.
  [[nodiscard]] pg_conn* raw() const { return connection_->raw(); }

 private:
  template <class Argument>
  static const Argument& bind(const Argument& argument) {
    return argument;
  }
  static const std::string& bind(const std::string& text) { return whole_text(text); }
#if PQXX_VERSION_MAJOR < 7
  static pqxx::binarystring bind(const PgArray& array) {
    return pqxx::binarystring(array.encode());
  }
#else
  static std::basic_string<std::byte> bind(const PgArray& array) {
    const std::string bytes = array.encode();
    return {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
  }
#endif

  void send(const PgStatement& statement, const std::vector<PgArgument>& arguments,
            const Take& take);
  void send_text(const char* sql);
  void begin_pipeline();
  struct PipelineEnd {
    std::vector<std::pair<Take, PgResult>> answers;
    std::string last_command;             // as the server calls it
    std::optional<StoreFailure> failure;  // what failed first
  };
  PipelineEnd end_pipeline();
  std::string hand_out();  // the answers; returns the last command, as the server calls it

  template <class Work>
  auto guarded(Work work) -> decltype(work()) {
    try {
      return work();
    } catch (...) {
      rethrow_as_store_failure();
    }
  }
  // Call in a catch clause only.
  [[noreturn]] static void rethrow_as_store_failure();
  void prepare(const PgStatement& statement);

  std::unique_ptr<PgConnection> connection_;
  enum class Transaction : std::uint8_t { none, to_begin, open };
  Transaction transaction_ = Transaction::none;
  std::set<const char*> prepared_;
  std::set<const char*> prepared_to_post_;  // libpqxx does not know of these
  bool has_posted_ = false;                 // the connection is in libpq's pipeline mode
  std::vector<Take> sent_;                  // down the pipeline; who takes its answer, if anyone
};

// The lock that writers of one read model's batches take, so that between partitions the order is
// that of the commits; and another that migrations take.
enum class PgLock : std::uint8_t { batch, migration };
// Held until the end of the transaction. REQUIRES: a transaction is open.
void take_lock(PgSession& session, PgLock lock, const std::string& schema);

// A UUID column's text. REQUIRES: it is one.
template <class Id>
Id uuid_of(std::string_view text) {
  Id id;
  if (!parse_uuid(text, id.bytes)) throw StoreFailure("XX001", "a UUID was expected");
  return id;
}
template <class Id>
Id uuid_of(const pqxx::field& field) {
  return uuid_of<Id>(field.c_str());
}

// A bytea column's bytes, from its text: \x and two digits a byte.
std::string bytes_of(std::string_view text);
inline std::string bytes_of(const pqxx::field& field) {
  return bytes_of(std::string_view(field.c_str()));
}

}  // namespace uniqd
