#pragma once
// bulk_load.hpp - a whole model into tables that are empty and have no indexes yet.

#include "readmodel/claims.hpp"
#include "readmodel/pg_session.hpp"

namespace uniqd {

// Writes all that a complete model knows, on two connections at once. With `keeps_texts` the
// values' texts too. Throws StoreFailure; what has been written by then stays.
void bulk_load(const PgTarget& target, const Model& model, bool keeps_texts);

}  // namespace uniqd
