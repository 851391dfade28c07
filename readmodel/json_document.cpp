#include "readmodel/json_document.hpp"

#include <charconv>
#include <cstring>
#include <utility>

namespace uniqd {
namespace {

using simdjson::dom::element_type;

const char* remedy(simdjson::error_code error) {
  switch (error) {
    case simdjson::NUMBER_ERROR:
      return "; a number beyond 64 bits or a double has to be sent as a string";
    case simdjson::STRING_ERROR:
      return "; e.g. half a surrogate pair in a \\u escape";
    default:
      return "";
  }
}

std::string_view trimmed(std::string_view token) {
  return token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
}

}  // namespace

Or<JsonNode> JsonDocument::parse(std::string_view text) {
  texts_.clear();
  size_ = text.size();
  padded_.resize(size_ + simdjson::SIMDJSON_PADDING);
  std::memcpy(padded_.data(), text.data(), size_);
  JsonNode root{this, "", {}};
  const auto error = parser_.parse(padded_.data(), size_, false).get(root.value);
  if (error == simdjson::SUCCESS) return root;
  return Refusal{std::string(simdjson::error_message(error)) + remedy(error)};
}

// The parser has only the nearest double of a number; two that differ in their last digits must
// not become one value. So the lazy parser finds the number again, as it stands in the text.
std::optional<std::string> JsonDocument::number_as_written(double value, const std::string& place) {
  simdjson::ondemand::document document;
  simdjson::ondemand::value found;
  if (lazy_parser_.iterate(padded_.data(), size_, padded_.size()).get(document) ||
      document.at_pointer(place).get(found)) {
    return std::nullopt;
  }
  const std::string_view token = trimmed(found.raw_json_token());
  // The lazy parser compares names as they are written, escapes and all: it may see another place.
  double same = 0;
  const auto read = std::from_chars(token.data(), token.data() + token.size(), same);
  const bool is_same =
      read.ec == std::errc() && read.ptr == token.data() + token.size() && same == value;
  return is_same ? std::optional(std::string(token)) : std::nullopt;
}

Scalar JsonDocument::keep(std::string text) {
  return {Scalar::Kind::text, texts_.emplace_back(std::move(text))};
}

Scalar JsonDocument::scalar(const JsonNode& node, std::string_view pointer) {
  simdjson::dom::element value;
  if (node.value.at_pointer(pointer).get(value) != simdjson::SUCCESS) return {};
  switch (value.type()) {
    case element_type::STRING:
      return {Scalar::Kind::text, value.get_string().value_unsafe()};
    case element_type::INT64:
      return keep(std::to_string(value.get_int64().value_unsafe()));
    case element_type::UINT64:
      return keep(std::to_string(value.get_uint64().value_unsafe()));
    case element_type::BOOL:
      return {Scalar::Kind::text, value.get_bool().value_unsafe() ? "true" : "false"};
    case element_type::NULL_VALUE:
      return {Scalar::Kind::null, {}};
    case element_type::DOUBLE:
      if (auto written = number_as_written(value.get_double().value_unsafe(),
                                           node.place + std::string(pointer))) {
        return keep(std::move(*written));
      }
      return {Scalar::Kind::inexact, {}};
    default:
      return {Scalar::Kind::compound, {}};
  }
}

std::optional<JsonNode> child(const JsonNode& node, std::string_view pointer) {
  JsonNode found{node.document, {}, {}};
  if (node.value.at_pointer(pointer).get(found.value) != simdjson::SUCCESS) return std::nullopt;
  found.place.append(node.place).append(pointer);
  return found;
}

Scalar scalar_at(const JsonNode& node, std::string_view pointer) {
  return node.document->scalar(node, pointer);
}

std::string_view text_at(const JsonNode& node, std::string_view pointer) {
  const Scalar found = scalar_at(node, pointer);
  return found.kind == Scalar::Kind::text ? found.text : std::string_view();
}

}  // namespace uniqd
