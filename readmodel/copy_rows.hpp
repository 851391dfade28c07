#pragma once
// copy_rows.hpp - entities and claims by COPY, as the tables have them.

#include <string>

#include "readmodel/claims.hpp"
#include "readmodel/pg_copy.hpp"

namespace uniqd {

// All that PgCopy says holds. `Place` is where to: a PgSession, or a PgTarget.
class CopyEntities {
 public:
  // `constraints` must outlive it.
  template <class Place>
  CopyEntities(Place& place, const ConstraintSet& constraints)
      : constraints_(constraints), copy_(place, "entities (entity, state, compensation)", 3) {}
  void add(const std::string& name, const Entity& entity);
  void finish() { copy_.finish(); }

 private:
  const ConstraintSet& constraints_;
  PgCopy copy_;
};

class CopyClaims {
 public:
  template <class Place>
  explicit CopyClaims(Place& place) : copy_(place, "claims (key, constraint_id, owner)", 3) {}
  void add(const Claim& claim);
  void finish() { copy_.finish(); }

 private:
  PgCopy copy_;
};

}  // namespace uniqd
