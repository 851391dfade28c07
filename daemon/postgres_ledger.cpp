#include "daemon/postgres_ledger.hpp"

#include <random>
#include <utility>

#include "commands/compensation_store.hpp"
#include "commands/safety_store.hpp"
#include "readmodel/claim_store.hpp"
#include "readmodel/dead_letter_store.hpp"
#include "readmodel/needs.hpp"
#include "readmodel/position_store.hpp"

namespace uniqd {
namespace {

constexpr PgStatement find_any_key{
    "find_any_key",
    "SELECT EXISTS (SELECT FROM entities) OR EXISTS (SELECT FROM claims)"
    " OR EXISTS (SELECT FROM violations)"};

// No time limit during COMMIT: a COMMIT that was cancelled reports success (PostgreSQL, syncrep.c).
constexpr PgStatement commit_durably{"commit_durably",
                                     "SELECT set_config('statement_timeout', '0', true)"};
constexpr PgStatement commit_soon{"commit_soon",
                                  "SELECT set_config('statement_timeout', '0', true),"
                                  " set_config('synchronous_commit', 'off', true)"};

bool is_empty(PgSession& session) { return !session.run(find_any_key)[0][0].as<bool>(); }

std::vector<std::string_view> names_of(const std::vector<Event>& events) {
  std::vector<std::string_view> names;
  names.reserve(events.size());
  for (const Event& event : events) names.push_back(event.entity);
  return names;
}

// Finds what a batch is about, with no more answers to wait for than there are steps from one thing
// to the next. With `before` beside the commit of that batch, and as it will be then; else in the
// transaction.
class Search {
 public:
  Search(PgSession& session, const KnownKeys& keys, const Loaded* before, Loaded& loaded)
      : session_(session),
        known_{keys, before ? &before->model : nullptr},
        before_(before),
        loaded_(loaded) {}

  // The first questions, which may go with others.
  void ask(const std::vector<Event>& events) {
    loaded_.model.set_partial();
    loaded_.model.reserve(events.size());
    ask_entities(session_, names_of(events), known_, loaded_.model);
    ask_claims(session_, keys_carried_by(events), known_, loaded_.model);
    ask_causes(session_, events, known_, loaded_.model);
  }

  // What the answers lead to.
  void find_rest(const std::vector<Event>& events) {
    session_.flush();
    Needs needs = needs_of(events, loaded_.model);
    ask_claims(session_, needs.claims, known_, loaded_.model);
    ask_contenders(session_, needs.contended, known_, loaded_.model);
    ask_open(std::move(needs.compensations));
    session_.flush();
    check_open();
    find_contenders(needs.contended);
  }

  // What the fold asked for in vain.
  void find_missing() {
    const Missing missing = loaded_.model.missing();
    loaded_.reset();
    ask_claims(session_, {missing.claims.begin(), missing.claims.end()}, known_, loaded_.model);
    const std::vector<ClaimKey> contended(missing.contended.begin(), missing.contended.end());
    ask_contenders(session_, contended, known_, loaded_.model);
    find_entities({missing.entities.begin(), missing.entities.end()});
    find_contenders(contended);
  }

 private:
  // With all that promoting them takes to know.
  void find_entities(const std::vector<std::string_view>& names) {
    ask_entities(session_, names, known_, loaded_.model);
    session_.flush();
    ask_open(compensations_of(names, loaded_.model));
    ask_claims(session_, keys_wanted_by(names, loaded_.model), known_, loaded_.model);
    session_.flush();
    check_open();
  }

  // REQUIRES: who wants these keys has been asked for and answered.
  void find_contenders(const std::vector<ClaimKey>& keys) {
    if (before_) loaded_.model.catch_up_contenders(before_->model);
    std::vector<std::string_view> names;
    for (const ClaimKey key : keys) {
      for (const Contender& contender : loaded_.model.contenders(key)) {
        names.push_back(contender.entity);
      }
    }
    find_entities(names);
  }

  void ask_open(std::vector<CompensationId> ids) {
    std::erase_if(ids, [&](CompensationId id) {
      return before_ && loaded_.compensations.load_from(before_->compensations, id);
    });
    ask_compensations(session_, ids,
                      [this](Compensation found) { loaded_.compensations.load(std::move(found)); });
    open_ = std::move(ids);
  }

  // Ahead of its transaction, a rebuild may swap the tables between two questions.
  void check_open() const {
    for (const CompensationId id : open_) {
      if (loaded_.compensations.find(id)) continue;
      throw StoreFailure("40001", "an entity's open compensation " + to_uuid_text(id) +
                                      " is not there; it may have been rebuilt meanwhile");
    }
  }

  PgSession& session_;
  Knowledge known_;
  const Loaded* before_;
  Loaded& loaded_;
  std::vector<CompensationId> open_;  // asked for
};

Writer random_writer() {
  std::random_device random;
  return Writer{static_cast<std::int64_t>(std::uint64_t{random()} << 32 | random())};
}

void remember(const Outcome& outcome, KnownKeys& known) {
  known.remember(outcome.model);
  for (const Compensation& opened : outcome.compensations.opened) {
    for (const Violation& violation : opened.violations) known.remember_cause(violation.cause);
  }
  for (const auto& change : outcome.compensations.changed) {
    for (const Violation& violation : change.now.violations) {
      known.remember_cause(violation.cause);
    }
  }
}

}  // namespace

PostgresLedger::PostgresLedger(PgTarget target, std::string topic, const ConstraintSet& constraints,
                               bool keeps_texts, Probe probe, Fingerprint rules, LearnPolicy learn)
    : target_(std::move(target)),
      topic_(std::move(topic)),
      constraints_(constraints),
      keeps_texts_(keeps_texts),
      probe_(std::move(probe)),
      rules_(std::move(rules)),
      writer_(random_writer()),
      learn_(learn),
      known_(constraints, learn.bytes_max) {}

template <class Work>
auto PostgresLedger::with_session(std::unique_ptr<PgSession>& session, Work work) {
  try {
    if (!session) {
      session = std::make_unique<PgSession>(target_);
      session->plan_once();
    }
    return work(*session);
  } catch (const StoreFailure&) {
    session.reset();
    throw;
  }
}

std::vector<Position> PostgresLedger::positions(const std::vector<Partition>& partitions) {
  abandon();
  known_.forget();
  full_batches_ = 0;
  return with_session(session_, [&](PgSession& session) {
    auto locked = lock_positions(session, topic_, partitions);
    // A rebuild under other rules is noticed here, since it fences everyone.
    if (!rules_.empty() &&
        !agree_on_fingerprint(session, target_.schema, rules_, constraints_).empty()) {
      throw StoreFailure(std::string(rules_changed_sqlstate),
                         "the read model has been rebuilt under other rules than these");
    }
    generation_ = locked.generation;
    return std::move(locked.positions);
  });
}

bool PostgresLedger::begin(const std::vector<Advance>& advances, const std::vector<Event>& events,
                           Loaded& loaded) {
  writes_ = std::exchange(writes_ahead_, std::nullopt);
  if (events.size() >= learn_.waits_from) known_.await(learn_.wait_max);
  return with_session(session_, [&](PgSession& session) {
    session.begin();
    take_lock(session, PgLock::batch, target_.schema);
    Advancing advancing;
    ask_to_advance(session, topic_, advances, generation_, advancing);
    Safety safety;
    ask_safety(session, safety);
    // People change compensations as well.
    const auto relied_on = loaded.compensations.loaded();
    std::size_t unchanged = 0;
    ask_compensations(session, relied_on, [&](const Compensation& stored) {
      if (loaded.compensations.was_loaded(stored)) ++unchanged;
    });
    Search search(session, known_, nullptr, loaded);
    if (!loaded.is_ahead) search.ask(events);
    session.flush();
    if (!advancing.before) {
      session.roll_back();
      return false;
    }
    const Writer before = *advancing.before;
    finish_advance(session, topic_, advances, advancing, writer_);
    probe_("after_compare_and_set");
    const bool relied_on_us = loaded.is_ahead || known_.is_active();
    consider_knowledge(session, before, events.size());
    if ((relied_on_us && before != writer_) || unchanged != relied_on.size()) {
      loaded = Loaded(constraints_);
      search.ask(events);
    }
    if (!loaded.is_ahead) {
      writes_.reset();
      search.find_rest(events);
    }
    loaded.safety = safety;
    return true;
  });
}

void PostgresLedger::load_missing(Loaded& loaded) {
  with_session(session_, [&](PgSession& session) {
    Search(session, known_, nullptr, loaded).find_missing();
  });
}

std::optional<Ledger::LookAhead> PostgresLedger::look_ahead(const Loaded& before,
                                                            const Outcome& outcome) {
  is_looking_ahead_ = true;
  const auto load = [this, &before, &outcome](const std::vector<Event>& events, Loaded& loaded) {
    remember(outcome, known_);
    with_session(session_ahead_, [&](PgSession& session) {
      Search search(session, known_, &before, loaded);
      search.ask(events);
      search.find_rest(events);
    });
    loaded.is_ahead = true;
  };
  const auto load_missing = [this, &before](Loaded& loaded) {
    with_session(session_ahead_, [&](PgSession& session) {
      Search(session, known_, &before, loaded).find_missing();
    });
  };
  const auto prepare = [this](const Outcome& next) { writes_ahead_ = writes_of(next); };
  return LookAhead{load, load_missing, prepare};
}

// Learning takes reading all of the tables once, so it is left until there is a backlog.
void PostgresLedger::consider_knowledge(PgSession& session, Writer before, std::size_t events) {
  full_batches_ = events >= learn_.events_min ? full_batches_ + 1 : 0;
  if (known_.is_active()) {
    if (before != writer_) {
      known_.forget();
    } else if (!known_.is_ready() && !known_.is_active()) {
      full_batches_ = 0;  // not again at once
    }
    return;
  }
  if (before != writer_ && full_batches_ > 1) {
    full_batches_ = 1;  // somebody else writes too
  }
  if (full_batches_ == 0 || !known_.may_begin()) return;
  if (is_empty(session)) {
    known_.begin_empty();
  } else if (full_batches_ >= learn_.batches_min) {
    known_.begin_reading(target_);
  }
}

PostgresLedger::Writes PostgresLedger::writes_of(const Outcome& outcome) const {
  Writes writes;
  save_model(writes.model, outcome.model, constraints_, keeps_texts_);
  save_compensations(writes.compensations, topic_, outcome.compensations);
  return writes;
}

void PostgresLedger::commit_transaction(const Outcome& outcome) {
  if (!std::exchange(is_looking_ahead_, false)) remember(outcome, known_);
  with_session(session_, [&](PgSession& session) {
    if (!writes_) writes_ = writes_of(outcome);
    writes_->model.send(session);
    probe_("after_model_written");
    // Before the compensations, as whoever sends them takes them.
    if (outcome.safety) save_safety(session, *outcome.safety);
    writes_->compensations.send(session);
    save_dead_letters(session, topic_, outcome.bad_events);
    if (outcome.retried) save_retried(session, topic_, *outcome.retried);
    probe_("after_outbox_written");
    // Also fails where the transaction has been aborted, whose COMMIT would not.
    session.post(outcome.compensations.empty() && !outcome.retried ? commit_soon : commit_durably);
    session.commit_transaction();
  });
}

void PostgresLedger::abandon() noexcept {
  if (session_) session_->roll_back();
}

}  // namespace uniqd
