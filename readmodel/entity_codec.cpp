#include "readmodel/entity_codec.hpp"

#include <cstring>

namespace uniqd {
namespace {

constexpr char codec_version = 1;

void append(std::string& state, const ClaimKey& key) {
  state.append(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
}

// Reads from the front of a view; `ok` turns false where the bytes end too early.
struct Reader {
  std::string_view rest;
  bool ok = true;

  char byte() {
    if (rest.empty()) {
      ok = false;
      return 0;
    }
    const char first = rest.front();
    rest.remove_prefix(1);
    return first;
  }
  ClaimKey key() {
    ClaimKey key;
    if (rest.size() < key.bytes.size()) {
      ok = false;
      return key;
    }
    std::memcpy(key.bytes.data(), rest.data(), key.bytes.size());
    rest.remove_prefix(key.bytes.size());
    return key;
  }
};

}  // namespace

std::string encode_entity(const Entity& entity, const ConstraintSet& constraints) {
  std::string state(1, codec_version);
  for (const auto& part : entity.parts) {
    state += part ? '\1' : '\0';
    if (part) append(state, *part);
  }
  for (std::size_t index = 0; index < constraints.size(); ++index) {
    const auto& owned = entity.owned[index];
    if (!owned) {
      state += '\0';
    } else if (owned == wanted_key(constraints[index], entity.parts)) {
      state += '\1';
    } else {
      state += '\2';
      append(state, *owned);
    }
  }
  return state;
}

std::optional<Entity> decode_entity(std::string_view state, const ConstraintSet& constraints) {
  Reader reader{state};
  if (reader.byte() != codec_version) return std::nullopt;
  Entity entity;
  for (std::size_t slot = 0; slot < constraints.slot_count(); ++slot) {
    entity.parts.push_back(reader.byte() == '\1' ? std::optional(reader.key()) : std::nullopt);
  }
  for (const Constraint& constraint : constraints) {
    const char form = reader.byte();
    if (form == '\1') {
      entity.owned.push_back(wanted_key(constraint, entity.parts));
    } else {
      entity.owned.push_back(form == '\2' ? std::optional(reader.key()) : std::nullopt);
    }
  }
  if (!reader.ok || !reader.rest.empty()) return std::nullopt;
  return entity;
}

}  // namespace uniqd
