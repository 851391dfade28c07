#pragma once
// digest.hpp - values become digests before anything remembers them.

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "readmodel/identifiers.hpp"
#include "readmodel/record.hpp"
#include "readmodel/rules.hpp"

namespace uniqd {

// Digests values: HMAC-SHA-256 with a key, or SHA-256 without. What is digested begins with the
// constraint's name and the field's place in it, each length-prefixed, so equal texts under two
// constraints never look alike.
//
// Thread safety: none, it reuses its context. Make one per thread; copies of the key are cheap.
class ValueHasher {
 public:
  // An empty key means plain SHA-256.
  explicit ValueHasher(std::string_view key);
  ~ValueHasher();
  ValueHasher(ValueHasher&&) noexcept;
  ValueHasher& operator=(ValueHasher&&) noexcept;
  ValueHasher(const ValueHasher&) = delete;
  ValueHasher& operator=(const ValueHasher&) = delete;

  // The digest of one field's normalised value under a constraint.
  [[nodiscard]] ValueDigest digest(const Constraint& constraint, std::size_t field,
                                   std::string_view value);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// The digest of a compound value: SHA-256 over the keys of its parts, which are fixed in length,
// so ("ab","c") and ("a","bc") stay apart. Needs no secret, the parts are digests already.
[[nodiscard]] ValueDigest combine(std::span<const ClaimKey> parts);

// RFC 4122 version 5 UUID of length-prefixed (source topic, entity, identity of the event), in
// uniqd's own namespace. The same on every machine and after every rebuild.
[[nodiscard]] CompensationId compensation_id(std::string_view source_topic, std::string_view entity,
                                             std::string_view identity);

// Of key, payload and timestamp, null and empty apart: what a record of the same place in another
// topic would not have in common with this one.
[[nodiscard]] RecordDigest record_digest(const Record& record);

}  // namespace uniqd
