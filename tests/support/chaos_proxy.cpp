#include "tests/support/chaos_proxy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace uniqd::test {
namespace {

constexpr int look_every_ms = 20;

sockaddr_in address_of(const std::string& host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    throw std::runtime_error("not an IPv4 address: " + host);
  }
  return address;
}

// False where the other end is gone.
bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// Empty where the other end is gone.
std::string_view receive(int socket, std::array<char, 65536>& buffer) {
  const auto size = recv(socket, buffer.data(), buffer.size(), 0);
  return {buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

}  // namespace

ChaosProxy::ChaosProxy(const std::string& postgres) {
  const auto at = postgres.find('@');
  const auto colon = postgres.find(':', at);
  const auto slash = postgres.find('/', colon);
  if (at == std::string::npos || colon == std::string::npos || slash == std::string::npos) {
    throw std::runtime_error("a URI with user, host and port is needed");
  }
  host_ = postgres.substr(at + 1, colon - at - 1);
  server_port_ = std::stoi(postgres.substr(colon + 1, slash - colon - 1));
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = address_of("127.0.0.1", 0);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_, any, size) != 0 || listen(listener_, 64) != 0 ||
      getsockname(listener_, any, &size) != 0) {
    throw std::runtime_error("the proxy finds no port to listen on");
  }
  uri_ = postgres.substr(0, at + 1) + "127.0.0.1:" + std::to_string(ntohs(address.sin_port)) +
         postgres.substr(slash);
  thread_ = std::thread([this] { run(); });
}

ChaosProxy::~ChaosProxy() {
  is_ending_ = true;
  thread_.join();
  close(listener_);
}

ChaosProxy::Cuts ChaosProxy::cuts() const {
  const std::lock_guard lock(mutex_);
  return cuts_;
}

void ChaosProxy::cut_all() { is_cutting_ = true; }

void ChaosProxy::run() {
  while (!is_ending_) {
    std::vector<pollfd> watched{{listener_, POLLIN, 0}};
    for (const Line& line : lines_) {
      const auto wish = static_cast<short>(is_swallowing_ ? 0 : POLLIN);
      watched.push_back({line.client, wish, 0});
      watched.push_back({line.server, wish, 0});
    }
    poll(watched.data(), watched.size(), look_every_ms);
    if (is_cutting_.exchange(false)) {
      for (Line& line : lines_) line.is_over = true;
    }
    std::size_t next = 1;
    for (Line& line : lines_) {
      const bool client_speaks = watched[next++].revents != 0;
      serve(line, client_speaks, watched[next++].revents != 0);
    }
    if (watched[0].revents != 0) accept_one();
    for (const Line& line : lines_) {
      if (!line.is_over) continue;
      close(line.client);
      close(line.server);
    }
    lines_.remove_if([](const Line& line) { return line.is_over; });
  }
  for (const Line& line : lines_) {
    close(line.client);
    close(line.server);
  }
}

void ChaosProxy::accept_one() {
  Line line;
  line.client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  line.server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = address_of(host_, server_port_);
  line.is_over =
      connect(line.server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0;
  lines_.push_back(line);
}

void ChaosProxy::serve(Line& line, bool client_speaks, bool server_speaks) {
  if (client_speaks && !line.is_over) hear_client(line);
  if (server_speaks && !line.is_over) hear_server(line);
}

void ChaosProxy::hear_client(Line& line) {
  std::array<char, 65536> buffer{};
  const std::string_view said = receive(line.client, buffer);
  const bool commits = said.find("COMMIT") != std::string_view::npos;
  const Fate fate = commits ? fate_of_commit() : Fate::none;
  line.is_over =
      said.empty() || fate == Fate::before || !send_all(line.server, said) || fate == Fate::during;
  line.awaits_answer = fate == Fate::after;
}

void ChaosProxy::hear_server(Line& line) {
  std::array<char, 65536> buffer{};
  const std::string_view said = receive(line.server, buffer);
  line.is_over = said.empty() || line.awaits_answer || !send_all(line.client, said);
}

ChaosProxy::Fate ChaosProxy::fate_of_commit() {
  const int one_in = one_in_;
  if (one_in == 0 || random_() % static_cast<unsigned>(one_in) != 0) return Fate::none;
  const std::lock_guard lock(mutex_);
  switch (random_() % 3) {
    case 0:
      ++cuts_.before;
      return Fate::before;
    case 1:
      ++cuts_.during;
      return Fate::during;
    default:
      ++cuts_.after;
      return Fate::after;
  }
}

}  // namespace uniqd::test
