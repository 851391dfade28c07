#include "daemon/huge_pages.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace uniqd {

void ask_for_huge_pages(char** argv) {
  constexpr const char* settings = "MALLOC_CONF";
  if (getenv(settings) != nullptr) return;
  // By its own name, which people look for among the processes.
  std::error_code failure;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failure);
  if (failure) return;
  setenv(settings, "thp:always,metadata_thp:auto", 1);
  execv(program.c_str(), argv);
}

}  // namespace uniqd
