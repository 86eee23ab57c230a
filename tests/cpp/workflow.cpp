// cldoci.hpp against a layout: verbs, errors, callbacks that throw, operations.
//
//   workflow DIRECTORY [REGISTRY]    empty; HOST:PORT that demands a credential (user, password) and has nothing
#include <cldoci.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <thread>

#include <poll.h>
#include <unistd.h>

namespace fs = std::filesystem;

#define CHECK(condition)                                                              \
  do {                                                                                \
    if (!(condition)) {                                                               \
      std::cerr << __FILE__ << ':' << __LINE__ << ": not so: " #condition "\n";       \
      std::exit(1);                                                                   \
    }                                                                                 \
  } while (0)

// What a call must throw: this status, with these words.
template <typename Call>
static void fails(cldoci_status status, const std::string &words, Call call) {
  try {
    call();
  } catch (const cldoci::error &error) {
    if (error.status() == status && std::string(error.what()).find(words) != std::string::npos) return;
    std::cerr << error.name() << ": " << error.what() << '\n';
    std::exit(1);
  }
  std::cerr << "nothing was thrown, want " << cldoci_status_name(status) << '\n';
  std::exit(1);
}

static void verbs(const fs::path &at, const cldoci::client &client) {
  const auto built = client.build(at / "tree", "component", R"({"name":"app"})");
  const auto artifact = built.artifact();
  CHECK(artifact.type() == "component" && artifact.digest() == built.digest());
  CHECK(cldoci::text(artifact.config()) == R"({"name":"app"})");
  CHECK(artifact.layers().size() == 1 && artifact.layers()[0].size > 0);

  const auto place = cldoci::reference::layout(at / "layout", "v1");
  CHECK(place.tag() == "v1" && place.registry().empty());
  CHECK(!client.exists(place).exists());
  CHECK(client.push(artifact, place).digest() == built.digest());
  CHECK(client.exists(place).exists());
  CHECK(client.resolve("ocidir://" + (at / "layout").string() + ":v1").digest() == built.digest());
  const auto tags = client.tag(place, cldoci::reference::layout(at / "layout", "v2"));
  CHECK(tags.digest() == built.digest());
  CHECK(client.list_tags(place).tags().size() == 2);
  CHECK(cldoci::text(client.pull_config(place).bytes()) == R"({"name":"app"})");

  const auto pulled = client.pull(place, at / "pulled");
  CHECK(pulled.digest() == built.digest() && pulled.counters().struct_size == sizeof(cldoci::counters));
  CHECK(fs::exists(at / "pulled" / "file"));

  cldoci::artifact_builder builder(client, "application/vnd.example.note");
  const auto note = builder.add_bytes("text/plain", "a note").set_annotation("org.example", "1").finish();
  CHECK(note.annotations().size() == 1 && note.annotations()[0].second == "1");
  CHECK(note.annotation("org.example") == "1" && !note.annotation("org.other"));
  const auto attached = client.attach(note, place);
  const auto referrers = client.referrers(place);
  CHECK(referrers.referrers().size() == 1 && referrers.referrers()[0].digest == attached.digest());
  client.remove(cldoci::reference::layout(at / "layout", "v2"));
  CHECK(client.list_tags(place).tags().size() == 1);
}

static void readers(const cldoci::client &client) {
  cldoci::artifact_builder builder(client, "application/vnd.example.note");
  std::string_view rest = "as it comes";
  builder.add_reader("text/plain", [&](std::uint8_t *buffer, std::size_t size) {
    const auto taken = rest.copy(reinterpret_cast<char *>(buffer), std::min<std::size_t>(size, 3));
    rest.remove_prefix(taken);
    return taken;
  });
  const auto artifact = builder.finish();
  CHECK(artifact.layers().size() == 1 && artifact.layers()[0].size == 11);
  CHECK(cldoci::text(client.read_layer(artifact, 0).bytes()) == "as it comes");
  bool thrown = false;
  try {
    builder.add_reader("text/plain", [](std::uint8_t *, std::size_t) -> std::size_t { throw std::runtime_error("no source"); });
  } catch (const std::runtime_error &error) {
    thrown = error.what() == std::string_view("no source");
  }
  CHECK(thrown);
}

// A registry asks, and a callback that throws is what the verb fails with.
static void credentials(const std::string &registry) {
  cldoci::options with;
  with.set("store", "off").set("retries", 0).set("plain_http_hosts", registry);
  with.on_credential([](std::string_view, std::string_view, cldoci::credential &) -> bool {
    throw std::runtime_error("the vault is closed");
  });
  fails(CLDOCI_ERROR_CREDENTIALS, "the vault is closed", [&] { cldoci::client(with).resolve(registry + "/app:v1"); });
  with.on_credential([](std::string_view, std::string_view, cldoci::credential &) -> bool { throw 1; });
  fails(CLDOCI_ERROR_CREDENTIALS, "threw", [&] { cldoci::client(with).resolve(registry + "/app:v1"); });
  with.on_credential([&](std::string_view host, std::string_view repository, cldoci::credential &answer) {
    CHECK(host == registry && repository == "app" && answer.action() == CLDOCI_ACTION_PULL);
    answer.basic("user", "password");
    return true;
  });
  fails(CLDOCI_ERROR_NOT_FOUND, "app", [&] { cldoci::client(with).inspect(registry + "/app:v1"); });
  try {
    cldoci::client(with).inspect(registry + "/app:v1");
  } catch (const cldoci::error &error) {
    const auto listed = error.registry_errors();
    CHECK(listed.size() == 1 && listed[0].code == error.registry_code() && !listed[0].code.empty());
    CHECK(listed[0].detail.empty());
  }
}

static void what_there_is() {
  CHECK(cldoci::version() == CLDOCI_VERSION_STRING);
  CHECK(!cldoci::features().empty() && cldoci::features()[0].first == "target");
  bool found = false;
  for (const auto &option : cldoci::all_options()) found = found || (option.name == "store" && option.type == "path");
  CHECK(found);
}

// An index lists what it lists, whatever of it is there.
static void indexes(const fs::path &at, const cldoci::client &client) {
  const auto place = cldoci::reference::layout(at / "layout", "v1");
  const auto image = client.read_manifest(place);
  CHECK(image.digest() == client.resolve(place).digest() && image.bytes().size() == image.size());
  CHECK(image.entries().empty());

  const std::string digest = "sha256:0e5b3c8a4a9e9d3d1e9b6c7f2a5d4c3b2a190817263544536271809fafbecdd0";
  const std::string index = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)"
                            R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
                            digest +
                            R"(","size":7,"platform":{"os":"plan9","architecture":"mips"},"artifactType":"a/b"}]})";
  const std::string own = "f1876d419d626f8eaa50a7842b49e967de5d79646820bc04040947379b2c37e9";
  fs::create_directories(at / "many" / "blobs" / "sha256");
  std::ofstream(at / "many" / "oci-layout") << R"({"imageLayoutVersion":"1.0.0"})";
  std::ofstream(at / "many" / "blobs" / "sha256" / own) << index;
  std::ofstream(at / "many" / "index.json")
      << R"({"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:)"
      << own << R"(","size":)" << index.size() << "}]}";
  const auto many = client.start_read_manifest(cldoci::reference::layout(at / "many", {}, "sha256:" + own)).wait();
  CHECK(cldoci::text(many.bytes()) == index && many.entries().size() == 1);
  const auto entry = many.entries()[0];
  CHECK(entry.digest == digest && entry.size == 7 && entry.platform == "plan9/mips" && entry.artifact_type == "a/b");
}

static void errors(const fs::path &at, const cldoci::client &client) {
  fails(CLDOCI_ERROR_NOT_FOUND, "nothing", [&] {
    client.resolve(cldoci::reference::layout(at / "layout", "nothing"));
  });
  fails(CLDOCI_ERROR_ARGUMENT, "", [] { cldoci::reference("Not A Reference"); });
  fails(CLDOCI_ERROR_ARGUMENT, "retriess", [] { cldoci::options().set("retriess", 1); });
  fails(CLDOCI_ERROR_EXISTS, "pulled", [&] {
    // Another artifact than the one that is there.
    const cldoci::artifact_builder builder(client, "application/vnd.example.note");
    const auto other = cldoci::reference::layout(at / "layout", "other");
    client.push(builder.finish(), other);
    const auto built = client.build(at / "layout", "application/vnd.example");
    client.push(built.artifact(), other);
    client.pull(other, at / "pulled");
  });
  // A copy of an exception has the same facts, and outlives it.
  std::exception_ptr kept;
  try {
    client.resolve(cldoci::reference::layout(at / "no-layout", "v1"));
  } catch (const cldoci::error &error) {
    kept = std::make_exception_ptr(error);
  }
  try {
    std::rethrow_exception(kept);
  } catch (const cldoci::error &error) {
    CHECK(error.status() == CLDOCI_ERROR_NOT_FOUND && !error.retry_after() && error.registry_code().empty());
  }
}

static void callbacks(const fs::path &at) {
  int told = 0, lines = 0;
  cldoci::options of_client;
  of_client.set("store", "off").set("timeout_ms", std::chrono::seconds(60));
  of_client.on_log(CLDOCI_LOG_INFO, [&](std::int32_t, std::string_view) {
    lines++;
    throw std::runtime_error("a log that throws stops nothing");
  });
  {
    const cldoci::client client(of_client);
    cldoci::options with;
    with.on_progress([&](const cldoci::progress &now) {
      told++;
      CHECK(now.bytes_total == 0 || now.bytes_done <= now.bytes_total);
      return true;
    });
    client.build(at / "tree", "component", {}, &with);
    CHECK(told > 0);
    with.on_progress([](const cldoci::progress &) -> bool { throw std::runtime_error("thrown"); });
    // The last report may be the only one of so small a build, and then it is done.
    try {
      client.build(at / "tree", "component", {}, &with);
    } catch (const cldoci::error &error) {
      CHECK(error.status() == CLDOCI_ERROR_CANCELLED);
    }
  }
}

static void operations(const fs::path &at, const cldoci::client &client) {
  const auto place = cldoci::reference::layout(at / "layout", "v1");
  auto operation = client.start_resolve(place);
  pollfd waits{operation.open_descriptor(), POLLIN, 0};
  CHECK(poll(&waits, 1, 10000) == 1);
  close(waits.fd);
  CHECK(operation.wait_for(std::chrono::milliseconds(0)));
  CHECK(!operation.result().digest().empty());
  CHECK(operation.progress().phase == CLDOCI_PHASE_DONE);
  auto moved = std::move(operation);
  CHECK(!moved.wait().digest().empty());
#if defined(__cpp_lib_jthread)
  std::stop_source stop;
  stop.request_stop();
  const auto pull = client.start_pull(place, at / "stopped");
  try {
    pull.wait(stop.get_token());
  } catch (const cldoci::error &error) {
    CHECK(error.status() == CLDOCI_ERROR_CANCELLED);
  }
#endif
}

static void all(int argc, char **argv) {
  CHECK(argc == 2 || argc == 3);
  const fs::path at = fs::absolute(argv[1]);
  fs::create_directory(at / "tree");
  std::ofstream(at / "tree" / "file") << "content\n";
  {
    cldoci::options alone;
    alone.set("store", "off");
    const cldoci::client client(alone);
    verbs(at, client);
    indexes(at, client);
    errors(at, client);
    operations(at, client);
    readers(client);
  }
  callbacks(at);
  if (argc == 3) credentials(argv[2]);
  what_there_is();
  CHECK(cldoci::wait_idle(std::chrono::seconds(10)));
  CHECK(cldoci_debug_live_handles(CLDOCI_HANDLE_ANY) == 0);
  std::cout << "ok\n";
}

int main(int argc, char **argv) {
  try {
    all(argc, argv);
  } catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
