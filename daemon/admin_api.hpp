#pragma once
// admin_api.hpp - what /api/v1 asks of the read model, and the little it may change.

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "commands/compensation_queries.hpp"
#include "config/settings.hpp"
#include "readmodel/pg_session.hpp"
#include "readmodel/rules.hpp"

namespace uniqd {

// What an HTTP response is made of.
struct Answer {
  int status = 200;
  std::string body;  // JSON and a line feed
};

// Has a connection of its own, opened at need and anew after a failure. Thread safe.
class AdminApi {
 public:
  // `settings` must outlive it.
  explicit AdminApi(const Settings& settings);

  // Query parameters by name: `constraint`, and one for each of its fields.
  Answer claims(const std::map<std::string, std::string>& parameters);
  // 404 for an entity that was never heard of.
  Answer entity(const std::string& name);
  // `states` empty: all; else one or several, with commas. The latest first, at most `limit` (1 to
  // 1,000; empty: 1,000) of each state asked for.
  Answer compensations(const std::string& states, const std::string& limit);
  // {"fields":{"email":".."},"entity":".."}: would these values violate? 409 with the violation, or
  // 200. The entity may be left out; its own values are no conflict.
  Answer check(const std::string& body);

  // What changes something; who may is not asked here. 400 for what is no id, 404 for one that is
  // not known, 409 where the compensation's state does not allow it.
  Answer intervene(const std::string& id, Intervention intervention);
  // Ends a safety pause; 200 also where there is none.
  Answer resume();

 private:
  struct Opened {
    PgSession session;
    std::string value_key;
  };
  // Runs `work` with the read model; turns what it throws into an answer.
  template <class Work>
  Answer with_read_model(Work work);

  const Settings& settings_;
  ConstraintSet constraints_;
  std::mutex mutex_;
  std::unique_ptr<Opened> opened_;
};

}  // namespace uniqd
