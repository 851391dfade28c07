FROM debian:12.11-slim AS build
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      build-essential cmake ninja-build pkg-config \
      librdkafka-dev libpqxx-dev libyaml-cpp-dev libspdlog-dev libfmt-dev doctest-dev \
      nlohmann-json3-dev libsimdjson-dev libicu-dev libphonenumber-dev libssl-dev libcli11-dev libcpp-httplib-dev \
      prometheus-cpp-dev libsystemd-dev libabsl-dev libjemalloc-dev \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
WORKDIR /src
RUN cmake --preset release && cmake --build --preset release --target uniqd && strip build/uniqd

FROM debian:12.11-slim
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      librdkafka1 libpqxx-6.4 libyaml-cpp0.7 libspdlog1.10 libfmt9 libsimdjson14 libicu72 libphonenumber8 libssl3 \
      libcpp-httplib0.11 libprometheus-cpp-core1.0 libsystemd0 libabsl20220623 libjemalloc2 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home --shell /usr/sbin/nologin uniqd
COPY --from=build /src/build/uniqd /usr/local/bin/uniqd
COPY config/uniqd.yaml /etc/uniqd/uniqd.yaml
USER uniqd
# Ready, not merely alive: 503 with the reasons otherwise.
HEALTHCHECK --interval=5s --timeout=3s --start-period=15s --retries=6 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8480 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ code _ <&3 && [ \"$code\" = 200 ]"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["uniqd", "run", "--config", "/etc/uniqd/uniqd.yaml"]
