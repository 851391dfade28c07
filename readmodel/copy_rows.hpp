#pragma once
// copy_rows.hpp - entities and claims as rows for COPY. Pure.

#include <cstdint>
#include <string>

#include "readmodel/claims.hpp"
#include "readmodel/pg_fields.hpp"

namespace uniqd {

inline constexpr const char* entity_columns = "entities (entity, state, compensation)";
inline constexpr const char* claim_columns = "claims (key, constraint_id, owner)";
inline constexpr std::int16_t entity_column_count = 3;
inline constexpr std::int16_t claim_column_count = 3;

// Adds the columns' fields.
void add_entity(PgFields& row, const std::string& name, const Entity& entity,
                const ConstraintSet& constraints);
void add_claim(PgFields& row, const Claim& claim);

}  // namespace uniqd
