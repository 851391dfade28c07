#include "daemon/command_gate.hpp"

#include <utility>

namespace uniqd {

void CommandGate::set_open(std::vector<Partition> partitions) {
  {
    const std::lock_guard lock(mutex_);
    if (is_distrusted_) partitions.clear();
    if (partitions == open_) return;
    open_ = std::move(partitions);
    news_ = true;
    decided_.clear();
  }
  changed_.notify_all();
}

void CommandGate::distrust() {
  const std::lock_guard lock(mutex_);
  is_distrusted_ = true;
  open_.clear();
}

bool CommandGate::take_distrust() {
  const std::lock_guard lock(mutex_);
  return std::exchange(is_distrusted_, false);
}

std::uint64_t CommandGate::waiting() const {
  const std::lock_guard lock(mutex_);
  return is_listening_ && !news_ ? wait_count_ : 0;
}

void CommandGate::announce(std::vector<Command> decided, std::uint64_t waiting) {
  {
    const std::lock_guard lock(mutex_);
    if (news_ || !is_listening_ || waiting != wait_count_) decided.clear();
    decided_ = std::move(decided);
    news_ = true;
  }
  changed_.notify_all();
}

void CommandGate::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

std::vector<Partition> CommandGate::open() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

void CommandGate::listen() {
  const std::lock_guard lock(mutex_);
  if (!is_listening_) ++wait_count_;
  is_listening_ = true;
}

bool CommandGate::wait(std::chrono::milliseconds wait, std::vector<Command>& decided) {
  listen();
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait, [this] { return news_ || closed_; });
  is_listening_ = false;
  news_ = false;
  decided = std::exchange(decided_, {});
  return !closed_;
}

bool CommandGate::pause(std::chrono::milliseconds pause) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, pause, [this] { return closed_; });
  return !closed_;
}

}  // namespace uniqd
