#pragma once
// story.hpp - the pattern's sequence with two users and one e-mail address.

#include "tests/demo/stage.hpp"

namespace uniqd::demo {

// The users of the story, who are also the first of the crowd.
inline constexpr const char* first_user = "u1";
inline constexpr const char* second_user = "u2";
inline constexpr const char* shared_email = "joe@example.com";

// Plays the twelve steps and prints each as it is seen, then both topics and the read model.
// Throws DemoFailed with the step that did not come true.
void play_story(Stage& stage);

}  // namespace uniqd::demo
