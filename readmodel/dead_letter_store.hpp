#pragma once
// dead_letter_store.hpp - dead letters in PostgreSQL, for people and what they decide.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "readmodel/dead_letter.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// The latest first; `state` nothing: all. Throws StoreFailure.
[[nodiscard]] std::vector<DeadLetter> read_dead_letters(PgSession& session,
                                                        const std::string& topic,
                                                        std::optional<DeadLetterState> state,
                                                        std::size_t limit);
[[nodiscard]] std::optional<DeadLetter> find_dead_letter(PgSession& session,
                                                         const std::string& topic, std::int64_t id);
// All of one partition, in the order of their offsets.
[[nodiscard]] std::vector<DeadLetter> dead_letters_of(PgSession& session, const std::string& topic,
                                                      Partition partition);

// Writes down the retry and its place in the order of things. REQUIRES: a transaction with the lock
// of the batches is open. Throws StoreFailure, also where a letter has ended meanwhile.
void save_retried(PgSession& session, const std::string& topic, const Retried& retried);

// False: it is not open (any more). Takes its turn among the batches of the read model in `schema`.
// In a transaction of its own. Throws StoreFailure.
[[nodiscard]] bool drop_dead_letter(PgSession& session, const std::string& schema,
                                    const std::string& topic, std::int64_t id);

}  // namespace uniqd
