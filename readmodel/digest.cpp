#include "readmodel/digest.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <cstdint>
#include <stdexcept>

#include "readmodel/big_endian.hpp"

namespace uniqd {
namespace {

struct MacFree {
  void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  void operator()(EVP_MD* digest) const { EVP_MD_free(digest); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

void require(bool worked, const char* what) {
  if (!worked) throw std::runtime_error(std::string("OpenSSL failed at ") + what);
}

using Length = std::uint32_t;

// A text with its length before it: no two different sequences look alike.
void append(std::string& message, std::string_view text) {
  append_big_endian(message, static_cast<Length>(text.size()));
  message += text;
}

const EVP_MD* sha256() {
  static const std::unique_ptr<EVP_MD, MacFree> digest(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  require(digest != nullptr, "fetching SHA-256");
  return digest.get();
}

const EVP_MD* sha1() {
  static const std::unique_ptr<EVP_MD, MacFree> digest(EVP_MD_fetch(nullptr, "SHA1", nullptr));
  require(digest != nullptr, "fetching SHA-1");
  return digest.get();
}

// One context a thread: fetching and allocating cost more than the digest itself.
template <std::size_t size>
std::array<std::uint8_t, size> hash(const EVP_MD* kind, std::string_view message) {
  thread_local const std::unique_ptr<EVP_MD_CTX, MacFree> context(EVP_MD_CTX_new());
  std::array<std::uint8_t, size> out{};
  unsigned written = 0;
  require(EVP_DigestInit_ex2(context.get(), kind, nullptr) == 1 &&
              EVP_DigestUpdate(context.get(), message.data(), message.size()) == 1 &&
              EVP_DigestFinal_ex(context.get(), out.data(), &written) == 1 && written == size,
          "a digest");
  return out;
}

}  // namespace

struct ValueHasher::Context {
  std::unique_ptr<EVP_MAC_CTX, MacFree> hmac;  // null: plain SHA-256
  std::string message;
};

ValueHasher::ValueHasher(std::string_view key) : context_(std::make_unique<Context>()) {
  if (key.empty()) return;
  const std::unique_ptr<EVP_MAC, MacFree> mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  require(mac != nullptr, "fetching HMAC");
  context_->hmac.reset(EVP_MAC_CTX_new(mac.get()));
  std::string name = "SHA256";
  const std::array<OSSL_PARAM, 2> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
      OSSL_PARAM_construct_end()};
  require(EVP_MAC_init(context_->hmac.get(), reinterpret_cast<const unsigned char*>(key.data()),
                       key.size(), parameters.data()) == 1,
          "keying HMAC");
}

ValueHasher::~ValueHasher() = default;
ValueHasher::ValueHasher(ValueHasher&&) noexcept = default;
ValueHasher& ValueHasher::operator=(ValueHasher&&) noexcept = default;

ValueDigest ValueHasher::digest(const Constraint& constraint, std::size_t field,
                                std::string_view value) {
  std::string& message = context_->message;
  message.clear();
  append(message, "uniqd value 1");
  append(message, constraint.name);
  append(message, constraint.fields[field]);
  append(message, value);
  ValueDigest digest;
  if (!context_->hmac) {
    digest.bytes = hash<32>(sha256(), message);
    return digest;
  }
  std::size_t written = 0;
  EVP_MAC_CTX* hmac = context_->hmac.get();
  require(EVP_MAC_init(hmac, nullptr, 0, nullptr) == 1 &&
              EVP_MAC_update(hmac, reinterpret_cast<const unsigned char*>(message.data()),
                             message.size()) == 1 &&
              EVP_MAC_final(hmac, digest.bytes.data(), &written, digest.bytes.size()) == 1 &&
              written == digest.bytes.size(),
          "HMAC");
  return digest;
}

ValueDigest combine(std::span<const ClaimKey> parts) {
  std::string message;
  append(message, "uniqd compound 1");
  for (const ClaimKey& part : parts) {
    append(message, {reinterpret_cast<const char*>(part.bytes.data()), part.bytes.size()});
  }
  return ValueDigest{hash<32>(sha256(), message)};
}

CompensationId compensation_id(std::string_view source_topic, std::string_view entity,
                               std::string_view identity) {
  // uniqd's own namespace, a random UUID fixed for ever.
  static constexpr std::array<std::uint8_t, 16> uuid_namespace{0x7d, 0x2e, 0x5b, 0x1c, 0x93, 0x4f,
                                                               0x4a, 0x60, 0x8e, 0x27, 0xd1, 0xb8,
                                                               0x6c, 0x05, 0xf3, 0x9a};
  std::string message;
  message.reserve(uuid_namespace.size() + 3 * sizeof(Length) + source_topic.size() + entity.size() +
                  identity.size());
  message.append(reinterpret_cast<const char*>(uuid_namespace.data()), uuid_namespace.size());
  append(message, source_topic);
  append(message, entity);
  append(message, identity);
  const auto sha = hash<20>(sha1(), message);
  CompensationId id;
  std::memcpy(id.bytes.data(), sha.data(), id.bytes.size());
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0fU) | 0x50U);
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3fU) | 0x80U);
  return id;
}

RecordDigest record_digest(const Record& record) {
  std::string message;
  message.reserve(record.key.value_or("").size() + record.payload.value_or("").size() + 64);
  append(message, "uniqd record 1");
  for (const auto& part : {record.key, record.payload}) {
    append(message, part ? "there" : "null");
    append(message, part.value_or(""));
  }
  append(message, std::to_string(record.timestamp_ms));
  const auto sha = hash<32>(sha256(), message);
  RecordDigest digest;
  std::memcpy(digest.bytes.data(), sha.data(), digest.bytes.size());
  return digest;
}

}  // namespace uniqd
