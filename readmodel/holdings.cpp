#include "readmodel/holdings.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

#include "readmodel/promise.hpp"

namespace uniqd {

// An entity's name, and behind it in the same allocation the keys of what it wants: of each slot,
// then of each compound constraint, whose keys take time to make.
class Holdings::Holder {
 public:
  using Key = std::optional<ClaimKey>;
  static_assert(alignof(Key) == 1 && std::is_trivially_copyable_v<Key>);

  enum class Standing : std::uint8_t {
    absent,   // owns something already, and is to be put
    content,  // owns all that it wants
    wanting,  // the rest of it is in wanting_
  };
  Standing standing = Standing::absent;

  static Holder* make(std::string_view name, std::size_t key_count) {
    promise(name.size() <= std::numeric_limits<std::uint32_t>::max(), "a name is not that long");
    void* memory = std::malloc(sizeof(Holder) + key_count * sizeof(Key) + name.size());
    if (memory == nullptr) throw std::bad_alloc();
    return new (memory) Holder(name, key_count);
  }

  [[nodiscard]] std::string_view name() const {
    return {reinterpret_cast<const char*>(this + 1), name_size_};
  }
  [[nodiscard]] Key key(std::size_t index) const {
    Key key;
    std::memcpy(static_cast<void*>(&key), place(index), sizeof key);
    return key;
  }
  void set_key(std::size_t index, const Key& key) {
    std::memcpy(const_cast<char*>(place(index)), &key, sizeof key);
  }

 private:
  Holder(std::string_view name, std::size_t key_count)
      : name_size_(static_cast<std::uint32_t>(name.size())) {
    std::memcpy(static_cast<void*>(this + 1), name.data(), name.size());
    for (std::size_t index = 0; index < key_count; ++index) set_key(index, std::nullopt);
  }
  [[nodiscard]] const char* place(std::size_t index) const {
    return reinterpret_cast<const char*>(this + 1) + name_size_ + index * sizeof(Key);
  }

  std::uint32_t name_size_;
};

void Holdings::Free::operator()(Holder* holder) const noexcept { std::free(holder); }

bool Holdings::Same::operator()(const Known& known, std::string_view name) const {
  return known.holder->name() == name;
}

Holdings::Holdings(const ConstraintSet& constraints) : constraints_(&constraints) {
  for (std::size_t index = 0; index < constraints.size(); ++index) {
    if (constraints[index].fields.size() > 1) compound_.push_back(index);
  }
}

Holdings::Holdings(const Holdings& other) : Holdings(*other.constraints_) {
  other.visit([this](std::string_view name, const Entity& entity) {
    put_entity(name, entity);
    for (const auto& owned : entity.owned) {
      if (owned) put_claim(*owned, name);
    }
  });
}

Holdings::Holder& Holdings::find_or_add(std::string_view name) {
  const std::size_t hash = hash_of(name);
  const auto found = entities_.find(name, hash);
  if (found != entities_.end()) return *found->holder;
  const std::size_t key_count = constraints_->slot_count() + compound_.size();
  std::unique_ptr<Holder, Free> made(Holder::make(name, key_count));
  return *entities_.insert(Known{hash, std::move(made)}).first->holder;
}

std::optional<Entity> Holdings::read(const Holder& holder) const {
  switch (holder.standing) {
    case Holder::Standing::absent:
      return std::nullopt;
    case Holder::Standing::wanting:
      return wanting_.at(&holder);
    case Holder::Standing::content:
      break;
  }
  Entity entity;
  entity.parts.resize(constraints_->slot_count());
  for (std::size_t slot = 0; slot < entity.parts.size(); ++slot) {
    entity.parts[slot] = holder.key(slot);
  }
  entity.owned.resize(constraints_->size());
  for (std::size_t index = 0; index < entity.owned.size(); ++index) {
    entity.owned[index] = entity.parts[(*constraints_)[index].first_slot];
  }
  for (std::size_t place = 0; place < compound_.size(); ++place) {
    entity.owned[compound_[place]] = holder.key(entity.parts.size() + place);
  }
  return entity;
}

std::optional<Entity> Holdings::entity(std::string_view name) const {
  const auto found = entities_.find(name);
  return found == entities_.end() ? std::nullopt : read(*found->holder);
}

std::optional<std::string_view> Holdings::owner(ClaimKey key) const {
  const auto found = claims_.find(key);
  return found == claims_.end() ? std::nullopt : std::optional(found->second->name());
}

std::optional<Entity> Holdings::put_entity(std::string_view name, const Entity& entity) {
  Holder& holder = find_or_add(name);
  auto before = read(holder);
  if (holder.standing == Holder::Standing::wanting) wanting_.erase(&holder);
  if (entity.compensation) {
    holder.standing = Holder::Standing::wanting;
    wanting_.emplace(&holder, entity);
    return before;
  }
  holder.standing = Holder::Standing::content;
  for (std::size_t slot = 0; slot < entity.parts.size(); ++slot) {
    holder.set_key(slot, entity.parts[slot]);
  }
  for (std::size_t place = 0; place < compound_.size(); ++place) {
    holder.set_key(entity.parts.size() + place, entity.owned[compound_[place]]);
  }
  return before;
}

std::optional<Entity> Holdings::remove_entity(std::string_view name) {
  const auto found = entities_.find(name);
  if (found == entities_.end()) return std::nullopt;
  auto before = read(*found->holder);
  wanting_.erase(found->holder.get());
  entities_.erase(found);
  return before;
}

void Holdings::put_claim(ClaimKey key, std::string_view owner) {
  claims_.insert_or_assign(key, &find_or_add(owner));
}

void Holdings::visit(const std::function<void(std::string_view, const Entity&)>& take) const {
  // Each is somewhere else in memory, which is to have answered by the time its turn comes.
  constexpr std::size_t fetched_ahead = 16;
  auto ahead = entities_.begin();
  const auto fetch_next = [&] {
    if (ahead != entities_.end()) __builtin_prefetch((ahead++)->holder.get());
  };
  for (std::size_t count = 0; count < fetched_ahead; ++count) fetch_next();
  for (const Known& known : entities_) {
    fetch_next();
    if (const auto entity = read(*known.holder)) take(known.holder->name(), *entity);
  }
}

}  // namespace uniqd
