/** @file
 * cldoci for C++17: RAII handles, exceptions and views, inline over cldoci.h. It adds no symbol to the library.
 *
 *     #include <cldoci.hpp>
 *     #include <iostream>
 *
 *     int main(int argc, char **argv) {
 *       if (argc != 4) return 2;
 *       try {
 *         cldoci::client client;
 *         auto built = client.build(argv[1], "component", R"({"name":"app"})");
 *         auto place = cldoci::reference::layout(argv[2], "v1");
 *         client.push(built.artifact(), place);
 *         std::cout << client.pull(place, argv[3]).digest() << '\n';
 *       } catch (const cldoci::error &error) {
 *         std::cerr << error.what() << '\n';
 *         return 1;
 *       }
 *     }
 *
 * Ownership: each class owns its handle, moves, and frees it at its end. A std::string_view or bytes that a member
 * function returns is borrowed: it lives as long as the object that gave it.
 *
 * Errors: a call that fails throws cldoci::error, with all facts that the C error object has.
 *
 * Threads: as in cldoci.h. A client, a reference, an artifact and a result may be used by any number of threads at
 * once; options, a config and an artifact builder by one at a time.
 *
 * Callbacks are function objects. One that throws does not throw across the library: a progress callback cancels its
 * operation, a credential callback fails with the exception's text, a log callback is left alone, and add_reader()
 * throws on what its reader threw. Those of a verb that waits run on the thread that waits. Those of an operation run on
 * threads of the library, and may run for a moment after it was cancelled or its object has gone: what they capture by
 * reference must live until then (wait_idle).
 */
#ifndef CLDOCI_HPP
#define CLDOCI_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if __cplusplus >= 202002L
#include <version>
#endif
#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif
#if defined(__cpp_lib_span)
#include <span>
#endif

#include <cldoci.h>

namespace cldoci {

/** Bytes that are borrowed: a std::span where there is one, else the part of it that is needed. */
#if defined(__cpp_lib_span)
using bytes = std::span<const std::uint8_t>;
#else
class bytes {
 public:
  constexpr bytes() noexcept = default;
  constexpr bytes(const std::uint8_t *data, std::size_t size) noexcept : data_(data), size_(size) {}
  constexpr const std::uint8_t *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr const std::uint8_t *begin() const noexcept { return data_; }
  constexpr const std::uint8_t *end() const noexcept { return data_ + size_; }
  constexpr std::uint8_t operator[](std::size_t at) const noexcept { return data_[at]; }

 private:
  const std::uint8_t *data_ = nullptr;
  std::size_t size_ = 0;
};
#endif

/** The same bytes as text. */
inline std::string_view text(bytes value) noexcept {
  return {reinterpret_cast<const char *>(value.data()), value.size()};
}

/** One of the errors that a registry listed in an answer. */
struct registry_error {
  std::string code;    /**< such as `MANIFEST_UNKNOWN`; empty = none */
  std::string message; /**< for people; empty = none */
  std::string detail;  /**< JSON; empty = none */
};

/** What a call failed with. */
class error : public std::exception {
 public:
  /** Takes the facts out of `from`, which it frees. */
  error(cldoci_status status, cldoci_error *from) : status_(status) {
    if (from != nullptr) {
      std::size_t length = 0;
      const char *message = cldoci_error_message(from, &length);
      if (message != nullptr) message_ = std::make_shared<const std::string>(message, length);
      const char *code = cldoci_error_registry_code(from, &length);
      if (code != nullptr) registry_code_ = std::make_shared<const std::string>(code, length);
      std::vector<registry_error> listed(cldoci_error_registry_error_count(from));
      for (std::size_t at = 0; at < listed.size(); at++) {
        const auto take = [&](auto accessor) {
          const char *part = accessor(static_cast<const cldoci_error *>(from), at, &length);
          return part == nullptr ? std::string() : std::string(part, length);
        };
        listed[at] = {take(cldoci_error_registry_error_code), take(cldoci_error_registry_error_message),
                      take(cldoci_error_registry_error_detail)};
      }
      registry_errors_ = std::make_shared<const std::vector<registry_error>>(std::move(listed));
      http_status_ = cldoci_error_http_status(from);
      errno_ = cldoci_error_errno(from);
      retryable_ = cldoci_error_retryable(from) == 1;
      retry_after_ = std::chrono::milliseconds(cldoci_error_retry_after_ms(from));
      cldoci_error_free(from);
    }
    if (!message_) message_ = std::make_shared<const std::string>(cldoci_status_name(status));
  }

  /** One line: what failed, on what, and the cure where it is known. */
  const char *what() const noexcept override { return message_->c_str(); }
  /** CLDOCI_ERROR_… */
  cldoci_status status() const noexcept { return status_; }
  /** The status as a word, such as `NOT_FOUND`. */
  const char *name() const noexcept { return cldoci_status_name(status_); }
  /** The HTTP status of the answer that was the reason; 0 = none. */
  int http_status() const noexcept { return http_status_; }
  /** The registry's own code, such as `MANIFEST_UNKNOWN`; empty = none. */
  std::string_view registry_code() const noexcept {
    return registry_code_ ? std::string_view(*registry_code_) : std::string_view();
  }
  /** All that the registry listed; a copy. */
  std::vector<registry_error> registry_errors() const {
    return registry_errors_ ? *registry_errors_ : std::vector<registry_error>();
  }
  /** The system's error number; 0 = none. */
  int system_error() const noexcept { return errno_; }
  /** Whether the same call may succeed later without a change. */
  bool retryable() const noexcept { return retryable_; }
  /** How long the registry asked to wait; none where it did not. */
  std::optional<std::chrono::milliseconds> retry_after() const noexcept {
    if (retry_after_.count() < 0) return std::nullopt;
    return retry_after_;
  }

 private:
  cldoci_status status_;
  // Shared, so that a copy of an exception can't throw.
  std::shared_ptr<const std::string> message_, registry_code_;
  std::shared_ptr<const std::vector<registry_error>> registry_errors_;
  int http_status_ = 0, errno_ = 0;
  bool retryable_ = false;
  std::chrono::milliseconds retry_after_{-1};
};

namespace detail {

/** Throws unless the call succeeded; gives the status where it is PENDING. */
template <typename Call>
cldoci_status check(const Call &call) {
  cldoci_error *failure = nullptr;
  const cldoci_status status = call(&failure);
  if (status < 0) throw error(status, failure);
  return status;
}

/** A call with a handle as its output. */
template <typename Handle, typename Call>
Handle *made(const Call &call) {
  Handle *handle = nullptr;
  check([&](cldoci_error **failure) { return call(&handle, failure); });
  return handle;
}

template <typename Handle, cldoci_status (*Free)(Handle *)>
struct deleter {
  void operator()(Handle *handle) const noexcept { Free(handle); }
};

/** An owned handle. The value is a token and no address, so it is never followed. */
template <typename Handle, cldoci_status (*Free)(Handle *)>
class owned {
 public:
  explicit owned(Handle *handle) noexcept : handle_(handle) {}
  /** The C handle, borrowed. */
  Handle *get() const noexcept { return handle_.get(); }
  /** The C handle, which is the caller's to free from here on. */
  Handle *release() noexcept { return handle_.release(); }

 private:
  std::unique_ptr<Handle, deleter<Handle, Free>> handle_;
};

inline std::string_view view(const char *text, std::size_t length) noexcept {
  return text == nullptr ? std::string_view() : std::string_view(text, length);
}

/** Runs an accessor that gives text and its length. */
template <typename Accessor, typename... Arguments>
std::string_view view_of(Accessor accessor, Arguments... arguments) noexcept {
  std::size_t length = 0;
  const char *text = accessor(arguments..., &length);
  return view(text, length);
}

/** The same where an empty text is not the same as none. */
template <typename Accessor, typename... Arguments>
std::optional<std::string_view> some_of(Accessor accessor, Arguments... arguments) noexcept {
  std::size_t length = 0;
  const char *text = accessor(arguments..., &length);
  if (text == nullptr) return std::nullopt;
  return std::string_view(text, length);
}

/** The same for bytes. */
template <typename Accessor, typename... Arguments>
bytes bytes_of(Accessor accessor, Arguments... arguments) noexcept {
  std::size_t size = 0;
  const std::uint8_t *data = accessor(arguments..., &size);
  return data == nullptr ? bytes() : bytes(data, size);
}

inline const std::uint8_t *data_of(std::string_view text) noexcept {
  return reinterpret_cast<const std::uint8_t *>(text.data());
}

inline std::int64_t milliseconds_of(std::chrono::milliseconds time) noexcept {
  return static_cast<std::int64_t>(time.count());
}

template <typename Function>
void forget(void *function) noexcept {
  delete static_cast<Function *>(function);
}

}  // namespace detail

/** How far an operation is. No number ever goes back. */
struct progress {
  std::int32_t phase; /**< CLDOCI_PHASE_… */
  std::uint64_t bytes_done, bytes_total, entries_done, entries_total;
};

/** What an operation cost. */
using counters = cldoci_counters;

/** What a credential callback answers. */
class credential {
 public:
  explicit credential(cldoci_credential *handle) noexcept : handle_(handle) {}
  /** What it is for, CLDOCI_ACTION_…. A callback that calls this is asked once for each action. */
  std::int32_t action() const noexcept { return cldoci_credential_action(handle_); }
  void basic(const std::string &username, const std::string &password) {
    detail::check([&](auto failure) {
      return cldoci_credential_set_basic(handle_, username.c_str(), password.c_str(), failure);
    });
  }
  void identity_token(const std::string &username, const std::string &token) {
    detail::check([&](auto failure) {
      return cldoci_credential_set_identity_token(handle_, username.c_str(), token.c_str(), failure);
    });
  }
  void registry_token(const std::string &token) {
    detail::check([&](auto failure) {
      return cldoci_credential_set_registry_token(handle_, token.c_str(), failure);
    });
  }

 private:
  cldoci_credential *handle_;
};

/** Asked for a credential of `registry/repository`: fills it in and returns true, or returns false for none. */
using credential_callback =
    std::function<bool(std::string_view registry, std::string_view repository, credential &answer)>;
/** Told the progress; false cancels. */
using progress_callback = std::function<bool(const progress &)>;
/** Fills a buffer with the next bytes of a layer and returns how many there were; 0 at the end. */
using reader = std::function<std::size_t(std::uint8_t *buffer, std::size_t size)>;
/** Takes a line of the log; `level` is CLDOCI_LOG_…. */
using log_callback = std::function<void(std::int32_t level, std::string_view line)>;

/** Settings of a client or a call. `cldoci_option_name` and docs/options.md list the names. */
class options : public detail::owned<cldoci_options, cldoci_options_free> {
 public:
  options() : owned(detail::made<cldoci_options>(cldoci_options_new)) {}

  /** Sets an option from text. Lists and pairs (`KEY=VALUE`) grow. */
  options &set(const std::string &name, const std::string &value) {
    detail::check([&](auto failure) { return cldoci_options_set(get(), name.c_str(), value.c_str(), failure); });
    return *this;
  }
  options &set(const std::string &name, const char *value) { return set(name, std::string(value)); }
  /** Sets a switch. */
  options &set(const std::string &name, bool value) { return set(name, std::string(value ? "true" : "false")); }
  /** Sets a number. */
  template <typename Number>
  std::enable_if_t<std::is_integral_v<Number> && !std::is_same_v<Number, bool>, options &> set(const std::string &name,
                                                                                               Number value) {
    return set(name, std::to_string(value));
  }
  /** Sets an option of milliseconds. */
  template <typename Rep, typename Period>
  options &set(const std::string &name, std::chrono::duration<Rep, Period> value) {
    return set(name, std::chrono::ceil<std::chrono::milliseconds>(value).count());
  }
  /** Sets one pair of an option that holds pairs; the key may hold a `=`. */
  options &set_pair(const std::string &name, const std::string &key, const std::string &value) {
    detail::check([&](auto failure) {
      return cldoci_options_set_pair(get(), name.c_str(), key.c_str(), value.c_str(), failure);
    });
    return *this;
  }
  /** Sets an option of one host (`HOST` or `HOST:PORT`). */
  options &set_host(const std::string &host, const std::string &name, const std::string &value) {
    detail::check([&](auto failure) {
      return cldoci_options_set_host(get(), host.c_str(), name.c_str(), value.c_str(), failure);
    });
    return *this;
  }

  options &on_progress(progress_callback function) {
    auto *held = new progress_callback(std::move(function));
    detail::check([&](auto failure) {
      return cldoci_options_set_progress_callback(get(), report, held, detail::forget<progress_callback>, failure);
    });
    return *this;
  }
  options &on_log(std::int32_t level, log_callback function) {
    auto *held = new log_callback(std::move(function));
    detail::check([&](auto failure) {
      return cldoci_options_set_log_callback(get(), level, write, held, detail::forget<log_callback>, failure);
    });
    return *this;
  }
  options &on_credential(credential_callback function) {
    auto *held = new credential_callback(std::move(function));
    detail::check([&](auto failure) {
      return cldoci_options_set_credential_callback(get(), ask, held, detail::forget<credential_callback>, failure);
    });
    return *this;
  }

 private:
  static std::int32_t report(const cldoci_progress *now, void *function) noexcept {
    try {
      const progress told{now->phase, now->bytes_done, now->bytes_total, now->entries_done, now->entries_total};
      return (*static_cast<progress_callback *>(function))(told) ? 0 : 1;
    } catch (...) {
      return 1;
    }
  }
  static void write(std::int32_t level, const char *line, void *function) noexcept {
    try {
      (*static_cast<log_callback *>(function))(level, line);
    } catch (...) {
      return;  // A line of a log is not worth an operation.
    }
  }
  static std::int32_t ask(const char *registry, const char *repository, cldoci_credential *answer,
                          void *function) noexcept {
    try {
      credential filled(answer);
      return (*static_cast<credential_callback *>(function))(registry, repository, filled) ? 1 : 0;
    } catch (const std::exception &failed) {
      cldoci_credential_set_failure(answer, failed.what(), nullptr);
    } catch (...) {
      cldoci_credential_set_failure(answer, "the credential callback threw", nullptr);
    }
    return -1;
  }
};

/** Where an artifact is: `registry/repository[:tag][@digest]` or `ocidir://PATH[:TAG][@DIGEST]`. */
class reference : public detail::owned<cldoci_reference, cldoci_reference_free> {
 public:
  /** Parses a reference; implicit, so that verbs take text. */
  reference(const std::string &text)
      : owned(detail::made<cldoci_reference>([&](auto handle, auto failure) {
          return cldoci_reference_parse(text.c_str(), handle, failure);
        })) {}
  reference(const char *text) : reference(std::string(text)) {}

  /** A layout whose path may hold any character; an empty tag or digest is none. */
  static reference layout(const std::string &path, const std::string &tag = {}, const std::string &digest = {}) {
    return reference(detail::made<cldoci_reference>([&](auto handle, auto failure) {
      return cldoci_reference_layout(path.c_str(), tag.empty() ? nullptr : tag.c_str(),
                                     digest.empty() ? nullptr : digest.c_str(), handle, failure);
    }));
  }

  /** A repository on a registry from its parts; an empty tag or digest is none. */
  static reference from_parts(const std::string &registry, const std::string &repository, const std::string &tag = {},
                              const std::string &digest = {}) {
    return reference(detail::made<cldoci_reference>([&](auto handle, auto failure) {
      return cldoci_reference_from_parts(registry.c_str(), repository.c_str(), tag.empty() ? nullptr : tag.c_str(),
                                         digest.empty() ? nullptr : digest.c_str(), handle, failure);
    }));
  }

  /** The same repository or layout with another tag or digest. */
  reference with(const std::string &tag, const std::string &digest = {}) const {
    return reference(detail::made<cldoci_reference>([&](auto handle, auto failure) {
      return cldoci_reference_with(get(), tag.empty() ? nullptr : tag.c_str(),
                                   digest.empty() ? nullptr : digest.c_str(), handle, failure);
    }));
  }

  std::string_view string() const noexcept { return detail::view_of(cldoci_reference_string, as_const()); }
  std::string_view registry() const noexcept { return detail::view_of(cldoci_reference_registry, as_const()); }
  std::string_view repository() const noexcept { return detail::view_of(cldoci_reference_repository, as_const()); }
  std::string_view path() const noexcept { return detail::view_of(cldoci_reference_path, as_const()); }
  std::string_view tag() const noexcept { return detail::view_of(cldoci_reference_tag, as_const()); }
  std::string_view digest() const noexcept { return detail::view_of(cldoci_reference_digest, as_const()); }

 private:
  explicit reference(cldoci_reference *handle) noexcept : owned(handle) {}
  const cldoci_reference *as_const() const noexcept { return get(); }
};

/** Media type, digest and size of a layer, a referrer or an index's entry; borrowed from the object that gave it. */
struct descriptor {
  std::string_view media_type, digest;
  std::uint64_t size = 0;
  std::string_view artifact_type; /**< of a referrer and an entry; empty = none */
  std::string_view platform; /**< of an entry, `os/architecture[/variant]`; empty = none */
};

/** One annotation; borrowed. */
using annotation = std::pair<std::string_view, std::string_view>;

/** An artifact: manifest, config, layers. Immutable. */
class artifact : public detail::owned<cldoci_artifact, cldoci_artifact_free> {
 public:
  explicit artifact(cldoci_artifact *handle) noexcept : owned(handle) {}
  std::string_view type() const noexcept { return detail::view_of(cldoci_artifact_type, as_const()); }
  /** Where it was pulled from or inspected; empty for one that was built. */
  std::string_view reference() const noexcept { return detail::view_of(cldoci_artifact_reference, as_const()); }
  std::string_view digest() const noexcept { return detail::view_of(cldoci_artifact_digest, as_const()); }
  std::string_view media_type() const noexcept { return detail::view_of(cldoci_artifact_media_type, as_const()); }
  /** The digest of the manifest that it refers to; empty = none. */
  std::string_view subject() const noexcept { return detail::view_of(cldoci_artifact_subject, as_const()); }
  bytes manifest() const noexcept { return detail::bytes_of(cldoci_artifact_manifest, as_const()); }
  /** The config's bytes; empty where they were not fetched. */
  bytes config() const noexcept { return detail::bytes_of(cldoci_artifact_config, as_const()); }
  descriptor config_descriptor() const noexcept {
    return {detail::view_of(cldoci_artifact_config_media_type, as_const()),
            detail::view_of(cldoci_artifact_config_digest, as_const()), cldoci_artifact_config_size(get()), {}, {}};
  }
  std::vector<descriptor> layers() const {
    std::vector<descriptor> all(cldoci_artifact_layer_count(get()));
    for (std::size_t at = 0; at < all.size(); at++)
      all[at] = {detail::view_of(cldoci_artifact_layer_media_type, as_const(), at),
                 detail::view_of(cldoci_artifact_layer_digest, as_const(), at),
                 cldoci_artifact_layer_size(get(), at), {}, {}};
    return all;
  }
  /** The value of the manifest's annotation; none where it has none of this key. */
  std::optional<std::string_view> annotation(const std::string &key) const {
    return detail::some_of(cldoci_artifact_annotation, as_const(), key.c_str());
  }
  /** The same of a layer. */
  std::optional<std::string_view> layer_annotation(std::size_t layer, const std::string &key) const {
    return detail::some_of(cldoci_artifact_layer_annotation, as_const(), layer, key.c_str());
  }
  std::vector<cldoci::annotation> annotations() const {
    std::vector<cldoci::annotation> all(cldoci_artifact_annotation_count(get()));
    for (std::size_t at = 0; at < all.size(); at++)
      all[at] = {detail::view_of(cldoci_artifact_annotation_key, as_const(), at),
                 detail::view_of(cldoci_artifact_annotation_value, as_const(), at)};
    return all;
  }
  std::vector<cldoci::annotation> layer_annotations(std::size_t layer) const {
    std::vector<cldoci::annotation> all(cldoci_artifact_layer_annotation_count(get(), layer));
    for (std::size_t at = 0; at < all.size(); at++)
      all[at] = {detail::view_of(cldoci_artifact_layer_annotation_key, as_const(), layer, at),
                 detail::view_of(cldoci_artifact_layer_annotation_value, as_const(), layer, at)};
    return all;
  }

 private:
  const cldoci_artifact *as_const() const noexcept { return get(); }
};

/** What a verb gave; what a verb does not give is empty or 0. */
class result : public detail::owned<cldoci_result, cldoci_result_free> {
 public:
  explicit result(cldoci_result *handle) noexcept : owned(handle) {}
  std::string_view digest() const noexcept { return detail::view_of(cldoci_result_digest, as_const()); }
  std::string_view media_type() const noexcept { return detail::view_of(cldoci_result_media_type, as_const()); }
  std::uint64_t size() const noexcept { return cldoci_result_size(get()); }
  /** The answer of exists(). */
  bool exists() const noexcept { return cldoci_result_exists(get()) == 1; }
  /** Whether a pull found its destination as it was to be. */
  bool unchanged() const noexcept { return cldoci_result_unchanged(get()) == 1; }
  /** The artifact of build(), pull() or inspect(). */
  cldoci::artifact artifact() const {
    return cldoci::artifact(detail::made<cldoci_artifact>(
        [&](auto handle, auto failure) { return cldoci_result_artifact(get(), handle, failure); }));
  }
  cldoci::bytes bytes() const noexcept { return detail::bytes_of(cldoci_result_bytes, as_const()); }
  std::string_view credential_source() const noexcept {
    return detail::view_of(cldoci_result_credential_source, as_const());
  }
  cldoci::counters counters() const {
    cldoci::counters filled{};
    filled.struct_size = sizeof filled;
    detail::check([&](auto failure) { return cldoci_result_counters(get(), &filled, failure); });
    return filled;
  }
  std::vector<std::string_view> tags() const { return list(cldoci_result_tag_count, cldoci_result_tag); }
  std::vector<std::string_view> warnings() const { return list(cldoci_result_warning_count, cldoci_result_warning); }
  std::vector<descriptor> referrers() const {
    std::vector<descriptor> all(cldoci_result_referrer_count(get()));
    for (std::size_t at = 0; at < all.size(); at++)
      all[at] = {detail::view_of(cldoci_result_referrer_media_type, as_const(), at),
                 detail::view_of(cldoci_result_referrer_digest, as_const(), at),
                 cldoci_result_referrer_size(get(), at),
                 detail::view_of(cldoci_result_referrer_artifact_type, as_const(), at),
                 {}};
    return all;
  }
  /** What the index of read_manifest() lists; empty for what is no index. */
  std::vector<descriptor> entries() const {
    std::vector<descriptor> all(cldoci_result_entry_count(get()));
    for (std::size_t at = 0; at < all.size(); at++)
      all[at] = {detail::view_of(cldoci_result_entry_media_type, as_const(), at),
                 detail::view_of(cldoci_result_entry_digest, as_const(), at), cldoci_result_entry_size(get(), at),
                 detail::view_of(cldoci_result_entry_artifact_type, as_const(), at),
                 detail::view_of(cldoci_result_entry_platform, as_const(), at)};
    return all;
  }
  std::vector<annotation> referrer_annotations(std::size_t referrer) const {
    std::vector<annotation> all(cldoci_result_referrer_annotation_count(get(), referrer));
    for (std::size_t at = 0; at < all.size(); at++)
      all[at] = {detail::view_of(cldoci_result_referrer_annotation_key, as_const(), referrer, at),
                 detail::view_of(cldoci_result_referrer_annotation_value, as_const(), referrer, at)};
    return all;
  }
  /** How many paths a build left out; left_out() lists the first of them with the reason. */
  std::uint64_t left_out_total() const noexcept { return cldoci_result_left_out_total(get()); }
  std::vector<annotation> left_out() const {
    std::vector<annotation> all(cldoci_result_left_out_count(get()));
    for (std::size_t at = 0; at < all.size(); at++)
      all[at] = {detail::view_of(cldoci_result_left_out_path, as_const(), at),
                 detail::view_of(cldoci_result_left_out_reason, as_const(), at)};
    return all;
  }

 private:
  const cldoci_result *as_const() const noexcept { return get(); }
  template <typename Count, typename At>
  std::vector<std::string_view> list(Count count, At item) const {
    std::vector<std::string_view> all(count(get()));
    for (std::size_t at = 0; at < all.size(); at++) all[at] = detail::view_of(item, as_const(), at);
    return all;
  }
};

/** The version of the library that runs, such as `0.1.0`. */
inline std::string_view version() noexcept { return cldoci_version_string(); }

/** What the library that runs was built with: name and value of each feature. */
inline std::vector<annotation> features() {
  std::vector<annotation> all;
  for (std::size_t at = 0; cldoci_feature_name(at) != nullptr; at++)
    all.emplace_back(cldoci_feature_name(at), cldoci_feature_value(at));
  return all;
}

/** One option that there is; docs/options.md says what each part means. */
struct option {
  std::string_view name, type, scope, values, default_value, help;
};

/** Every option of the library that runs. */
inline std::vector<option> all_options() {
  std::vector<option> all(cldoci_option_count());
  for (std::size_t at = 0; at < all.size(); at++)
    all[at] = {cldoci_option_name(at),   cldoci_option_type(at),    cldoci_option_scope(at),
               cldoci_option_values(at), cldoci_option_default(at), cldoci_option_help(at)};
  return all;
}

/** Waits until the library has nothing to do, at most so long; whether that is so. For the end of a program. */
inline bool wait_idle(std::chrono::milliseconds time) {
  const auto limit = time.count() < 0 ? 0 : detail::milliseconds_of(time);
  return detail::check([&](auto failure) { return cldoci_wait_idle(limit, failure); }) == CLDOCI_OK;
}

/** A verb under way. Its end without a wait cancels it. */
class operation : public detail::owned<cldoci_operation, cldoci_operation_free> {
 public:
  explicit operation(cldoci_operation *handle) noexcept : owned(handle) {}
  /** Waits for the end and gives the result; throws what the verb failed with. */
  cldoci::result wait() const {
    detail::check([&](auto failure) { return cldoci_operation_wait(get(), -1, failure); });
    return result();
  }
  /** Whether it has ended, after waiting for `time` at most; throws what it failed with. 0 only asks. */
  bool wait_for(std::chrono::milliseconds time) const {
    const auto limit = time.count() < 0 ? 0 : detail::milliseconds_of(time);
    return detail::check([&](auto failure) { return cldoci_operation_wait(get(), limit, failure); }) == CLDOCI_OK;
  }
#if defined(__cpp_lib_jthread)
  /** The same as wait(), and cancels when `stop` is asked for. */
  cldoci::result wait(const std::stop_token &stop) const {
    const std::stop_callback cancels(stop, [this] { cldoci_operation_cancel(get(), nullptr); });
    return wait();
  }
#endif
  cldoci::progress progress() const {
    cldoci_progress filled{};
    filled.struct_size = sizeof filled;
    detail::check([&](auto failure) { return cldoci_operation_progress(get(), &filled, failure); });
    return {filled.phase, filled.bytes_done, filled.bytes_total, filled.entries_done, filled.entries_total};
  }
  void cancel() const {
    detail::check([&](auto failure) { return cldoci_operation_cancel(get(), failure); });
  }
  /** A descriptor for poll() and its like, at its end once the operation has ended; the caller's to close. */
  std::int32_t open_descriptor() const {
    std::int32_t fd = -1;
    detail::check([&](auto failure) { return cldoci_operation_open_descriptor(get(), &fd, failure); });
    return fd;
  }
  /** The result of one that has ended. */
  cldoci::result result() const {
    return cldoci::result(detail::made<cldoci_result>(
        [&](auto handle, auto failure) { return cldoci_operation_result(get(), handle, failure); }));
  }
};

/** Settings, connections and tokens; every verb needs one. Each verb waits; its twin `start_…` does not. */
class client : public detail::owned<cldoci_client, cldoci_client_free> {
 public:
  client() : client(nullptr) {}
  explicit client(const options &of) : client(of.get()) {}

/* A verb from its inputs: `parameters` as C++ takes them, `arguments` as C does. */
#define CLDOCI_HPP_VERB(verb, parameters, ...)                                                              \
  result verb parameters const {                                                                            \
    return result(detail::made<cldoci_result>([&](auto made, auto failure) {                                \
      return cldoci_##verb(get(), __VA_ARGS__, of(with), made, failure);                                    \
    }));                                                                                                    \
  }                                                                                                         \
  operation start_##verb parameters const {                                                                 \
    return operation(detail::made<cldoci_operation>([&](auto made, auto failure) {                          \
      return cldoci_##verb##_start(get(), __VA_ARGS__, of(with), made, failure);                            \
    }));                                                                                                    \
  }

  /** Builds a directory into an artifact; an empty config is `{}`. */
  CLDOCI_HPP_VERB(build,
                  (const std::string &directory, const std::string &artifact_type, std::string_view config = {},
                   const options *with = nullptr),
                  directory.c_str(), artifact_type.c_str(), config.empty() ? nullptr : detail::data_of(config),
                  config.size())
  /** Builds and pushes in one pass. */
  CLDOCI_HPP_VERB(build_and_push,
                  (const std::string &directory, const std::string &artifact_type, std::string_view config,
                   const reference &place, const options *with = nullptr),
                  directory.c_str(), artifact_type.c_str(), config.empty() ? nullptr : detail::data_of(config),
                  config.size(), place.get())
  CLDOCI_HPP_VERB(push, (const artifact &what, const reference &place, const options *with = nullptr), what.get(),
                  place.get())
  CLDOCI_HPP_VERB(pull, (const reference &place, const std::string &destination, const options *with = nullptr),
                  place.get(), destination.c_str())
  CLDOCI_HPP_VERB(pull_config, (const reference &place, const options *with = nullptr), place.get())
  /** result::exists() has the answer. */
  CLDOCI_HPP_VERB(exists, (const reference &place, const options *with = nullptr), place.get())
  CLDOCI_HPP_VERB(resolve, (const reference &place, const options *with = nullptr), place.get())
  CLDOCI_HPP_VERB(tag, (const reference &source, const reference &target, const options *with = nullptr),
                  source.get(), target.get())
  CLDOCI_HPP_VERB(copy, (const reference &source, const reference &target, const options *with = nullptr),
                  source.get(), target.get())
  CLDOCI_HPP_VERB(list_tags, (const reference &place, const options *with = nullptr), place.get())
  CLDOCI_HPP_VERB(inspect, (const reference &place, const options *with = nullptr), place.get())
  /** result::bytes() has the manifest, result::entries() what an index lists. */
  CLDOCI_HPP_VERB(read_manifest, (const reference &place, const options *with = nullptr), place.get())
  CLDOCI_HPP_VERB(referrers, (const reference &place, const options *with = nullptr), place.get())
  /** Deletes a tag, or by digest a manifest. (`delete` is a word of C++.) */
  result remove(const reference &place, const options *with = nullptr) const {
    return result(detail::made<cldoci_result>(
        [&](auto made, auto failure) { return cldoci_delete(get(), place.get(), of(with), made, failure); }));
  }
  operation start_remove(const reference &place, const options *with = nullptr) const {
    return operation(detail::made<cldoci_operation>(
        [&](auto made, auto failure) { return cldoci_delete_start(get(), place.get(), of(with), made, failure); }));
  }
  CLDOCI_HPP_VERB(attach, (const artifact &what, const reference &subject, const options *with = nullptr),
                  what.get(), subject.get())
  CLDOCI_HPP_VERB(collect_garbage, (const reference &layout, const options *with = nullptr), layout.get())
  CLDOCI_HPP_VERB(read_layer, (const artifact &what, std::size_t layer, const options *with = nullptr), what.get(),
                  layer)
  CLDOCI_HPP_VERB(save_layer,
                  (const artifact &what, std::size_t layer, std::int32_t fd, const options *with = nullptr),
                  what.get(), layer, fd)
  CLDOCI_HPP_VERB(login,
                  (const std::string &registry, const std::string &username, const std::string &password,
                   const options *with = nullptr),
                  registry.c_str(), username.c_str(), password.c_str())
  CLDOCI_HPP_VERB(logout, (const std::string &registry, const options *with = nullptr), registry.c_str())
#undef CLDOCI_HPP_VERB

 private:
  explicit client(const cldoci_options *with)
      : owned(detail::made<cldoci_client>(
            [&](auto handle, auto failure) { return cldoci_client_new(with, handle, failure); })) {}
  static const cldoci_options *of(const options *with) noexcept { return with == nullptr ? nullptr : with->get(); }
};

/** The config of a component, datacenter or module while it is put together. */
class config : public detail::owned<cldoci_config, cldoci_config_free> {
 public:
  explicit config(const std::string &artifact_type)
      : owned(detail::made<cldoci_config>([&](auto handle, auto failure) {
          return cldoci_config_new(artifact_type.c_str(), handle, failure);
        })) {}
  config &set(const std::string &field, const std::string &value) {
    detail::check(
        [&](auto failure) { return cldoci_config_set(get(), field.c_str(), value.c_str(), failure); });
    return *this;
  }
  config &set_entry(const std::string &field, const std::string &key, const std::string &value) {
    detail::check([&](auto failure) {
      return cldoci_config_set_entry(get(), field.c_str(), key.c_str(), value.c_str(), failure);
    });
    return *this;
  }
  /** Its JSON; borrowed until the next change. */
  std::string_view json() const noexcept {
    return text(detail::bytes_of(cldoci_config_json, static_cast<const cldoci_config *>(get())));
  }
};

/** An artifact while it is put together by hand. */
class artifact_builder : public detail::owned<cldoci_artifact_builder, cldoci_artifact_builder_free> {
 public:
  artifact_builder(const client &with, const std::string &artifact_type)
      : owned(detail::made<cldoci_artifact_builder>([&](auto handle, auto failure) {
          return cldoci_artifact_builder_new(with.get(), artifact_type.c_str(), handle, failure);
        })) {}
  artifact_builder &set_config(const std::string &media_type, std::string_view json) {
    return call(cldoci_artifact_builder_set_config, media_type.c_str(), detail::data_of(json), json.size());
  }
  artifact_builder &add_bytes(const std::string &media_type, std::string_view layer) {
    return call(cldoci_artifact_builder_add_bytes, media_type.c_str(), detail::data_of(layer), layer.size());
  }
  artifact_builder &add_file(const std::string &media_type, const std::string &file) {
    return call(cldoci_artifact_builder_add_file, media_type.c_str(), file.c_str());
  }
  /** Adds a layer of what a function gives, in bounded memory; throws what the function throws. */
  artifact_builder &add_reader(const std::string &media_type, const reader &function) {
    reading now{&function, nullptr};
    try {
      return call(cldoci_artifact_builder_add_reader, media_type.c_str(), read, static_cast<void *>(&now));
    } catch (const error &) {
      if (now.second) std::rethrow_exception(now.second);
      throw;
    }
  }
  artifact_builder &add_layer(const std::string &media_type, const artifact &from, std::size_t layer) {
    return call(cldoci_artifact_builder_add_layer, media_type.c_str(),
                static_cast<const cldoci_artifact *>(from.get()), layer);
  }
  artifact_builder &set_annotation(const std::string &key, const std::string &value) {
    return call(cldoci_artifact_builder_set_annotation, key.c_str(), value.c_str());
  }
  artifact_builder &set_layer_annotation(std::size_t layer, const std::string &key, const std::string &value) {
    return call(cldoci_artifact_builder_set_layer_annotation, layer, key.c_str(), value.c_str());
  }
  artifact finish() const {
    return artifact(detail::made<cldoci_artifact>(
        [&](auto handle, auto failure) { return cldoci_artifact_builder_finish(get(), handle, failure); }));
  }

 private:
  /** A reader, and what it threw. */
  using reading = std::pair<const reader *, std::exception_ptr>;
  static std::int64_t read(std::uint8_t *buffer, std::size_t size, void *data) noexcept {
    auto &now = *static_cast<reading *>(data);
    try {
      return static_cast<std::int64_t>((*now.first)(buffer, size));
    } catch (...) {
      now.second = std::current_exception();
      return -1;
    }
  }
  template <typename Function, typename... Arguments>
  artifact_builder &call(Function function, Arguments... arguments) {
    detail::check([&](auto failure) { return function(get(), arguments..., failure); });
    return *this;
  }
};

}  // namespace cldoci

#endif /* CLDOCI_HPP */
