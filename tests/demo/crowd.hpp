#pragma once
// crowd.hpp - the same with 3,000 users, counted.

#include "tests/demo/stage.hpp"

namespace uniqd::demo {

// Comes after the story, on the same topics: its two users are the first of the crowd. Prints what
// is there beside what should be. Throws DemoFailed where the two differ.
void play_crowd(Stage& stage);

}  // namespace uniqd::demo
