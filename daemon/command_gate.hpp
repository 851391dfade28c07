#pragma once
// command_gate.hpp - tells the relay which partitions may send, and when there is something new.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "commands/encode_command.hpp"

namespace uniqd {

// The loop opens a partition once it has caught up and closes it when the partition goes away or
// is read anew; commands decided in a closed partition are held back. Thread safe.
class CommandGate {
 public:
  // The partitions that may send are now exactly these.
  void set_open(std::vector<Partition> partitions);
  // The stored positions may not be what they were: nothing may send until the loop has read them
  // again, whatever it opens meanwhile.
  void distrust();
  // For the loop, which reads the positions then: whether distrust() was called since the last
  // time.
  [[nodiscard]] bool take_distrust();
  // Which wait is under way, to which nothing has been announced yet; 0: none. Who waits has looked
  // for all that was committed before.
  [[nodiscard]] std::uint64_t waiting() const;
  // Something was committed that has to be sent: `decided` and nothing else, unless it is empty.
  // `waiting`: as it was before the commit; what was committed since may have been found otherwise.
  void announce(std::vector<Command> decided = {}, std::uint64_t waiting = 0);
  // Wakes and dismisses the waiter for good.
  void close();

  // Waits for close(), at most `pause`; false once closed.
  bool pause(std::chrono::milliseconds pause);

  // What may send now.
  [[nodiscard]] std::vector<Partition> open() const;
  // Waits for an announcement or a change since the last wait, at most `wait`; false once closed.
  // `decided` gets what was announced, where that was named and this wait was under way before its
  // commit. Else it becomes empty.
  bool wait(std::chrono::milliseconds wait, std::vector<Command>& decided);
  // What wait() begins with. For whoever steps the waiter and the others in turns.
  void listen();

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Partition> open_;
  bool is_distrusted_ = false;
  bool is_listening_ = false;
  std::uint64_t wait_count_ = 0;
  bool news_ = false;
  std::vector<Command> decided_;  // all of the news, unless it is empty
  bool closed_ = false;
};

}  // namespace uniqd
