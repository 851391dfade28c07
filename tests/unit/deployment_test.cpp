// What is said in one file of the deployment and relied on in another must agree.

#include <doctest/doctest.h>
#include <yaml-cpp/yaml.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::string read(const std::string& path) {
  std::ifstream file(UNIQD_SOURCE_DIR "/" + path);
  REQUIRE_MESSAGE(file, path, " cannot be read");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// What the first group of `pattern` matches, each time it is found in `text`.
std::vector<std::string> find_all(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) {
    found.push_back((*match)[1]);
  }
  return found;
}

std::set<std::string> find_set(const std::string& text, const std::string& pattern) {
  const auto found = find_all(text, pattern);
  return {found.begin(), found.end()};
}

/// The same where exactly one place may match.
std::string find_one(const std::string& text, const std::string& pattern) {
  const auto found = find_all(text, pattern);
  REQUIRE_MESSAGE(found.size() == 1, found.size(), " matches of ", pattern);
  return found.front();
}

struct Compose {
  YAML::Node services = YAML::Load(read("docker-compose.yml"))["services"];

  std::string environment(const std::string& service, const std::string& name) const {
    return services[service]["environment"][name].as<std::string>("");
  }
};

/// The shipped configuration with the defaults of its variables, as on a machine that sets none.
YAML::Node load_config_defaults() {
  return YAML::Load(
      std::regex_replace(read("config/uniqd.yaml"), std::regex(R"(\$\{\w+:-([^}]*)\})"), "$1"));
}

std::string source_topic(const YAML::Node& config) {
  const auto topic = config["source"]["topic"].as<std::string>("");
  return topic.empty() ? config["source"]["stream"].as<std::string>().substr(1) : topic;
}

}  // namespace

TEST_CASE("compose sets the variables that the configuration reads, and no other") {
  std::set<std::string> set;
  for (const auto& variable : Compose().services["uniqd"]["environment"]) {
    set.insert(variable.first.as<std::string>());
  }
  // Comments may speak of other variables.
  const auto config =
      std::regex_replace(read("config/uniqd.yaml"), std::regex(R"((^|\n)\s*#[^\n]*)"), "");
  CHECK(set == find_set(config, R"(\$\{(\w+))"));
}

TEST_CASE("compose creates the topics that the configuration names") {
  const auto config = load_config_defaults();
  const auto script = Compose().services["topics"]["command"][0].as<std::string>();
  std::istringstream words(find_one(script, "for topic in ([^;]+);"));
  std::set<std::string> created;
  for (std::string topic; words >> topic;) created.insert(topic);
  CHECK(created == std::set{source_topic(config), config["commands"]["topic"].as<std::string>()});
}

TEST_CASE("compose gives uniqd the broker address that Kafka advertises") {
  const Compose compose;
  const auto advertised =
      find_set(compose.environment("kafka", "KAFKA_ADVERTISED_LISTENERS"), R"(INTERNAL://([^,]+))");
  CHECK(advertised == std::set{compose.environment("uniqd", "UNIQD_BROKERS")});
  const auto script = compose.services["topics"]["command"][0].as<std::string>();
  CHECK(advertised == find_set(script, R"(--bootstrap-server (\S+))"));
}

TEST_CASE("compose gives uniqd the database that PostgreSQL makes") {
  const Compose compose;
  const auto made = "postgresql://" + compose.environment("postgres", "POSTGRES_USER") + ":" +
                    compose.environment("postgres", "POSTGRES_PASSWORD") + "@postgres:5432/" +
                    compose.environment("postgres", "POSTGRES_DB");
  CHECK(compose.environment("uniqd", "UNIQD_POSTGRES") == made);
}

TEST_CASE("every service that another waits for can say when it is ready") {
  const Compose compose;
  int waits = 0;
  for (const auto& service : compose.services) {
    for (const auto& awaited : service.second["depends_on"]) {
      const auto name = awaited.first.as<std::string>();
      const auto condition = awaited.second["condition"].as<std::string>();
      CAPTURE(name);
      REQUIRE(compose.services[name].IsDefined());
      CHECK(compose.services[name]["healthcheck"].IsDefined() == (condition == "service_healthy"));
      ++waits;
    }
  }
  CHECK(waits == 4);
}

TEST_CASE("the image asks for readiness where uniqd listens") {
  const auto docker = read("Dockerfile");
  const auto listen = load_config_defaults()["admin"]["listen"].as<std::string>();
  CHECK(find_one(docker, R"(/dev/tcp/([\w.]+)/)") + ":" +
            find_one(docker, R"(/dev/tcp/[\w.]+/(\d+))") ==
        listen);
  CHECK(Compose().environment("uniqd", "UNIQD_ADMIN_LISTEN") == listen);
  CHECK(find_one(docker, "GET (/\\w+) HTTP") == "/readyz");
}

TEST_CASE("image, compose file and unit agree on the paths") {
  const auto docker = read("Dockerfile");
  const auto unit = read("config/uniqd.service");
  const auto config_path = find_one(docker, R"(COPY config/uniqd\.yaml (\S+))");
  const auto binary_path = find_one(docker, R"(COPY --from=build /src/build/uniqd (\S+))");

  CHECK(find_one(docker, "ENTRYPOINT (.*)") ==
        R"(["uniqd", "run", "--config", ")" + config_path + "\"]");
  CHECK(Compose().services["uniqd"]["volumes"][0].as<std::string>() ==
        "./config/uniqd.yaml:" + config_path + ":ro");
  CHECK(find_one(unit, "ExecStart=(.*)") == binary_path + " run --config " + config_path);
}

TEST_CASE("images are named with versions, the same everywhere") {
  const Compose compose;
  const auto version = find_one(read("CMakeLists.txt"), R"(project\(uniqd VERSION (\S+))");
  const auto kafka = "apache/kafka:" +
                     find_one(read("tests/support/pom.xml"), "<kafka.version>(.*)</kafka.version>");
  CHECK(compose.services["kafka"]["image"].as<std::string>() == kafka);
  CHECK(compose.services["topics"]["image"].as<std::string>() == kafka);
  CHECK(compose.services["uniqd"]["image"].as<std::string>() == "uniqd:" + version);
  const auto released = find_all(read("CHANGELOG.md"), R"(\n## \D*(\d+\.\d+\.\d+))");
  REQUIRE(!released.empty());
  CHECK(released.front() == version);
  for (const auto& service : compose.services) {
    const auto image = service.second["image"].as<std::string>();
    CHECK_MESSAGE(std::regex_match(image, std::regex(R"([\w/]+:\d+(\.\d+)+)")), image);
  }
  const auto bases = find_all(read("Dockerfile"), R"(FROM (debian:12\.\d+-slim))");
  REQUIRE(bases.size() == 2);
  CHECK(bases[0] == bases[1]);
}

TEST_CASE("the image is built with the libraries that the Makefile installs") {
  constexpr const char* libraries = R"((\S+-dev)\b)";
  auto known = find_set(find_one(read("Makefile"), R"(PACKAGES := ((?:.*\\\n)*.*))"), libraries);
  known.erase("libclang-rt-14-dev");  // for fuzzing
  const auto docker = read("Dockerfile");
  REQUIRE(known.size() > 10);
  CHECK(find_set(docker.substr(0, docker.find("COPY . /src")), libraries) == known);
}

TEST_CASE("the image does not run as root") {
  const auto docker = read("Dockerfile");
  const auto user = find_one(docker, R"(\nUSER (\S+))");
  CHECK(user != "root");
  CHECK(find_one(docker, R"(useradd [^\n]* (\w+)\n)") == user);
}

TEST_CASE("the unit does not restart what needs a person") {
  // 3: halted; 78: bad configuration.
  CHECK(find_one(read("config/uniqd.service"), "RestartPreventExitStatus=(.*)") == "3 78");
}
