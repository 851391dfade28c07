#pragma once
// yaml_documents.hpp - is there one YAML document, or more?

#include <optional>
#include <string>

namespace uniqd::settings {

// The line, from 1, on which the second document begins; nothing where there is none. Throws
// YAML::Exception where the text is not YAML up to there. Ends for any text.
std::optional<int> line_of_second_document(const std::string& text);

}  // namespace uniqd::settings
