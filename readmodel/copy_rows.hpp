#pragma once
// copy_rows.hpp - entities, claims and contenders as rows of their tables. Pure.

#include <string>
#include <string_view>

#include "readmodel/claims.hpp"
#include "readmodel/pg_table.hpp"

namespace uniqd {

inline constexpr PgTable entities_table{
    "entities (entity, state, compensation)", 3, "insert_entity",
    "INSERT INTO entities (entity, state, compensation) VALUES ($1::text, $2::bytea, $3::uuid)"};
inline constexpr PgTable claims_table{
    "claims (key, constraint_id, owner)", 3, "insert_claim",
    "INSERT INTO claims (key, constraint_id, owner) VALUES ($1::uuid, $2::int2, $3::text)"};
inline constexpr PgTable contenders_table{
    "contenders (key, entity)", 2, "insert_contender",
    "INSERT INTO contenders (key, entity) VALUES ($1::uuid, $2::text)"};

// Adds the columns' fields.
void add_entity(PgFields& row, std::string_view name, const Entity& entity,
                const ConstraintSet& constraints);
void add_claim(PgFields& row, const Claim& claim);
void add_contender(PgFields& row, ClaimKey key, std::string_view entity);

}  // namespace uniqd
