#include "config/secrets.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace uniqd {
namespace {

constexpr auto npos = std::string_view::npos;

bool is_secret_keyword(std::string_view name) {
  constexpr std::array<std::string_view, 5> secret{"password", "sslpassword", "scram_client_key",
                                                   "scram_server_key", "oauth_client_secret"};
  return std::find(secret.begin(), secret.end(), name) != secret.end();
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '%';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
                        hex_digit(text[i + 2]) >= 0;
    if (escape) {
      result += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

// Where `?name=` begins, not before `from`. A '?' that is followed by anything else is part of a
// password that was not percent-encoded.
std::size_t query_start(std::string_view text, std::size_t from) {
  for (std::size_t at = text.find('?', from); at != npos; at = text.find('?', at + 1)) {
    const std::size_t equals = text.find('=', at);
    if (equals == npos || equals == at + 1) continue;
    const std::string_view name = text.substr(at + 1, equals - at - 1);
    if (std::all_of(name.begin(), name.end(), is_name_character)) return at;
  }
  return text.size();
}

std::string masked_query(std::string_view query) {
  std::string result;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&', 1), query.size());
    const std::string_view part = query.substr(0, end);
    const std::size_t equals = part.find('=');
    if (equals != npos && is_secret_keyword(percent_decoded(part.substr(1, equals - 1)))) {
      result += part.substr(0, equals + 1);
      result += secret_mask;
    } else {
      result += part;
    }
    query.remove_prefix(end);
  }
  return result;
}

// To libpq, an '@' before any '/' ends the user's part. Here the last '@' does: a password with an
// '@' or '/' that should have been percent-encoded is then masked as a whole.
std::string mask_uri(std::string_view scheme, std::string_view rest) {
  const std::size_t first = rest.find_first_of("@/");
  const bool has_user = first != npos && rest[first] == '@';
  const std::size_t query = query_start(rest, has_user ? first : 0);
  const std::string_view place = rest.substr(0, query);
  std::string result{scheme};
  const std::size_t at = place.rfind('@');
  const std::size_t colon = place.find(':');
  if (at != npos && colon < at) {
    result += place.substr(0, colon + 1);
    result += secret_mask;
    result += place.substr(at);
  } else {
    result += place;
  }
  return result + masked_query(rest.substr(query));
}

// Moves `at` behind one keyword value as libpq reads it; false when it does not end.
bool skip_value(std::string_view text, std::size_t& at) {
  const bool quoted = at < text.size() && text[at] == '\'';
  if (quoted) ++at;
  while (at < text.size()) {
    if (quoted ? text[at] == '\'' : is_space(text[at])) {
      if (quoted) ++at;
      return true;
    }
    at += text[at] == '\\' ? 2 : 1;
  }
  at = text.size();
  return !quoted;
}

void skip_spaces(std::string_view text, std::size_t& at) {
  while (at < text.size() && is_space(text[at])) ++at;
}

// Nothing when libpq would not understand the text either.
std::optional<std::string> mask_keywords(std::string_view text) {
  std::string result;
  std::size_t at = 0;
  for (skip_spaces(text, at); at < text.size(); skip_spaces(text, at)) {
    const std::size_t start = at;
    while (at < text.size() && !is_space(text[at]) && text[at] != '=') ++at;
    const std::string_view name = text.substr(start, at - start);
    skip_spaces(text, at);
    if (name.empty() || at >= text.size() || text[at] != '=') return std::nullopt;
    ++at;
    skip_spaces(text, at);
    const std::size_t value_start = at;
    if (!skip_value(text, at)) return std::nullopt;
    if (!result.empty()) result += ' ';
    result += name;
    result += '=';
    result += is_secret_keyword(name) ? secret_mask : text.substr(value_start, at - value_start);
  }
  return result;
}

void mask_properties(settings::KafkaProperties& properties) {
  for (auto& [name, value] : properties) {
    if (is_secret_property(name)) value = secret_mask;
  }
}

}  // namespace

std::string mask_postgres(std::string_view connection) {
  for (const std::string_view scheme : {"postgresql://", "postgres://"}) {
    if (connection.starts_with(scheme)) {
      return mask_uri(scheme, connection.substr(scheme.size()));
    }
  }
  return mask_keywords(connection).value_or(std::string{secret_mask});
}

bool is_secret_property(std::string_view name) {
  return name.ends_with("password") || name.ends_with("passphrase") || name.ends_with("secret") ||
         name.ends_with("key.pem") || name == "sasl.oauthbearer.config";
}

Settings mask_settings(Settings settings) {
  mask_properties(settings.source.kafka);
  mask_properties(settings.commands.kafka);
  settings.readmodel.postgres = mask_postgres(settings.readmodel.postgres);
  if (!settings.admin.token.empty()) settings.admin.token = secret_mask;
  if (!settings.readmodel.values_key.empty()) settings.readmodel.values_key = secret_mask;
  return settings;
}

}  // namespace uniqd
