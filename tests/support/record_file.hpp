#pragma once
// record_file.hpp - a record written down as text, for fixtures and for fuzzing.
//
//   @key user-2
//   message-type: UserAdded
//
//   {"userId":"user-2"}
//
// The key, if there is one, then a line a header, an empty line, and the payload to the end of the
// file without its last line end. Without an empty line there is no payload. \xNN is a byte.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "readmodel/record.hpp"

namespace uniqd::test {

struct RecordFile {
  std::optional<std::string> key;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::string> payload;
};

// Takes any text: a line without a colon is a header without a value.
[[nodiscard]] RecordFile parse_record_file(std::string_view text);

// Throws std::runtime_error where there is no such file.
[[nodiscard]] std::string read_text_file(const std::string& path);

// `headers` and the views are into `file`.
[[nodiscard]] std::vector<Header> header_views(const RecordFile& file);
[[nodiscard]] Record record_view(const RecordFile& file, const std::vector<Header>& headers);

}  // namespace uniqd::test
