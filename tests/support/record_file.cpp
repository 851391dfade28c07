#include "tests/support/record_file.hpp"

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace uniqd::test {
namespace {

int nibble(char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  const auto place = digits.find(c);
  return place == std::string_view::npos ? -1 : static_cast<int>(place);
}

std::string unescape(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape = text[i] == '\\' && i + 3 < text.size() && text[i + 1] == 'x' &&
                           nibble(text[i + 2]) >= 0 && nibble(text[i + 3]) >= 0;
    if (is_escape) {
      bytes += static_cast<char>(nibble(text[i + 2]) * 16 + nibble(text[i + 3]));
      i += 3;
    } else {
      bytes += text[i];
    }
  }
  return bytes;
}

void add_line(std::string_view line, RecordFile& file) {
  constexpr std::string_view key = "@key ";
  if (line.starts_with(key)) {
    file.key = unescape(line.substr(key.size()));
    return;
  }
  const auto colon = line.find(": ");
  const bool has_value = colon != std::string_view::npos;
  file.headers.emplace_back(line.substr(0, colon),
                            has_value ? unescape(line.substr(colon + 2)) : "");
}

}  // namespace

RecordFile parse_record_file(std::string_view text) {
  RecordFile file;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) {
      if (text.ends_with('\n')) text.remove_suffix(1);
      file.payload = unescape(text);
      break;
    }
    add_line(line, file);
  }
  return file;
}

std::string read_text_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<Header> header_views(const RecordFile& file) {
  std::vector<Header> headers;
  for (const auto& [name, value] : file.headers) headers.push_back({name, value});
  return headers;
}

Record record_view(const RecordFile& file, const std::vector<Header>& headers) {
  Record record;
  if (file.key) record.key = *file.key;
  if (file.payload) record.payload = *file.payload;
  record.headers = headers;
  return record;
}

}  // namespace uniqd::test
