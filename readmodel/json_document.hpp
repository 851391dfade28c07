#pragma once
// json_document.hpp - a JSON text, parsed once, and single texts read from it by JSON Pointer.

#include <simdjson.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "readmodel/refusal.hpp"

namespace uniqd {

class JsonDocument;

// A place in a document. Good until the document parses again.
struct JsonNode {
  JsonDocument* document = nullptr;
  std::string place;  // the pointer from the root to here
  simdjson::dom::element value;
};

// What is at a place, as text: a string's content, a number as it is written, `true` or `false`.
struct Scalar {
  enum class Kind : std::uint8_t {
    missing,
    null,
    text,
    compound,  // an array or an object
    inexact,   // a number whose written form cannot be told
  };
  Kind kind = Kind::missing;
  std::string_view text;  // of Kind::text; good until the document parses again
};

// Strict RFC 8259: all of it is checked, up to 1,024 levels deep, UTF-8 and escapes too. Where a
// name occurs twice the first counts. Thread safety: none; it reuses its buffers. Stays where it
// is: nodes refer to it.
class JsonDocument {
 public:
  JsonDocument() = default;
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  // Copies `text`. Refuses what is no JSON and numbers beyond 64 bits or a double.
  [[nodiscard]] Or<JsonNode> parse(std::string_view text);

  // The text at `pointer` from `node`, which is of this document.
  [[nodiscard]] Scalar scalar(const JsonNode& node, std::string_view pointer);

 private:
  [[nodiscard]] std::optional<std::string> number_as_written(double value,
                                                             const std::string& place);
  [[nodiscard]] Scalar keep(std::string text);

  simdjson::dom::parser parser_;
  simdjson::ondemand::parser lazy_parser_;
  std::string padded_;             // the text with the room behind it that the parsers read
  std::size_t size_ = 0;           // of the text
  std::deque<std::string> texts_;  // what scalars refer to and is nowhere else
};

// Nothing where there is no such place.
[[nodiscard]] std::optional<JsonNode> child(const JsonNode& node, std::string_view pointer);

[[nodiscard]] Scalar scalar_at(const JsonNode& node, std::string_view pointer);

// As scalar_at; empty for all that is no text.
[[nodiscard]] std::string_view text_at(const JsonNode& node, std::string_view pointer);

}  // namespace uniqd
