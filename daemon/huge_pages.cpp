#include "daemon/huge_pages.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace uniqd {

void ask_for_huge_pages(char** argv) {
  constexpr const char* settings = "MALLOC_CONF";
  if (getenv(settings) != nullptr) return;
  // By its own name, which people look for among the processes; it is another one's where a loader
  // was asked to run us.
  std::error_code failure;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failure);
  if (failure || program.filename() != "uniqd") return;
  if (setenv(settings, "thp:always,metadata_thp:auto", 1) != 0) return;
  execv(program.c_str(), argv);
}

}  // namespace uniqd
