#pragma once
// admin_api.hpp - the questions of /api/v1 that the read model answers.

#include <map>
#include <memory>
#include <mutex>
#include <string>

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
  // `state` empty: all; the latest first, at most 1,000.
  Answer compensations(const std::string& state);
  // {"fields":{"email":".."},"entity":".."}: would these values violate? 409 with the violation, or
  // 200. The entity may be left out; its own values are no conflict.
  Answer check(const std::string& body);

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
