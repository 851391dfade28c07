#include "config/surroundings.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace uniqd {
namespace {

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string{value};
}

std::optional<std::string> whole_file(const std::string& path) {
  // A directory opens like a file and then reads as nothing.
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return std::nullopt;
  std::ifstream file{path, std::ios::binary};
  if (!file) return std::nullopt;
  std::string content{std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
  if (file.bad()) return std::nullopt;
  return content;
}

}  // namespace

Surroundings system_surroundings() {
  Surroundings surroundings;
  surroundings.get_env = environment_variable;
  surroundings.read_file = whole_file;
  return surroundings;
}

}  // namespace uniqd
