//! What the value of an option must look like beyond its type, so that a wrong one is refused where it is set and not
//! where it is used. Whether a host, a file or a media type is there, the use alone tells.

use http::{HeaderName, HeaderValue};
use url::Url;

use super::table::{OptionSpec, Type};
use super::{Secret, Value};
use crate::oci::{Reference, check_media_type};

/// What an option's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    /// Any text, or any that its type takes.
    Free,
    MediaType,
    Platform,
    HeaderText,
    Proxy,
    /// Without control characters.
    Plain,
    /// As a header carries it.
    Token,
    Hosts,
    Repositories,
    Mirrors,
    Headers,
    /// Pairs whose keys are not empty.
    Keys,
    /// Any bytes but NUL.
    Path,
}

fn syntax(spec: &OptionSpec) -> Syntax {
    match (spec.name, spec.kind) {
        ("config_media_type" | "layer_media_type", _) => Syntax::MediaType,
        ("platform", _) => Syntax::Platform,
        ("user_agent", _) => Syntax::HeaderText,
        ("proxy", _) => Syntax::Proxy,
        ("username" | "password", _) => Syntax::Plain,
        ("identity_token" | "registry_token", _) => Syntax::Token,
        ("plain_http_hosts" | "token_hosts" | "download_hosts" | "upload_hosts", _) => Syntax::Hosts,
        ("mount_from", _) => Syntax::Repositories,
        ("mirrors", _) => Syntax::Mirrors,
        ("certs_dirs", _) => Syntax::Path,
        ("header", _) => Syntax::Headers,
        (_, Type::Pairs) => Syntax::Keys,
        (_, Type::Path) => Syntax::Path,
        _ => Syntax::Free,
    }
}

/// What the option must be instead of this value; nothing where it is right. Empty is as if it were not set.
pub(super) fn must_be(spec: &OptionSpec, value: &Value) -> Option<&'static str> {
    let syntax = syntax(spec);
    let right = match value {
        Value::Bool(_) | Value::Int(_) => true,
        Value::Text(text) => (text.is_empty() && syntax != Syntax::Platform) || fits(syntax, text),
        Value::Secret(secret) => secret.expose().is_empty() || fits(syntax, Secret::expose(secret)),
        Value::List(items) => items.iter().all(|item| fits(syntax, item)),
        Value::Path(path) => !path.as_os_str().as_encoded_bytes().contains(&0),
        Value::Pairs(pairs) => pairs.iter().all(|(key, value)| match syntax {
            Syntax::Headers => HeaderName::from_bytes(key.as_bytes()).is_ok() && is_header_text(value),
            _ => !key.is_empty(),
        }),
    };
    (!right).then_some(match syntax {
        Syntax::MediaType => "a media type (RFC 6838: type/subtype)",
        Syntax::Platform => "os/architecture[/variant]",
        Syntax::HeaderText => "what a header can carry: visible ASCII characters and spaces",
        Syntax::Proxy => "a URL of http, https, socks5 or socks5h, or 'off'",
        Syntax::Plain => "a text without control characters",
        Syntax::Token => "what a header can carry: visible ASCII characters without spaces",
        Syntax::Hosts => "hosts as HOST or HOST:PORT, separated by commas",
        Syntax::Repositories => "repositories by their names on the registry, separated by commas",
        Syntax::Mirrors => {
            "mirrors as HOST[:PORT][/PREFIX], with or without ?ns at the end, separated by commas"
        }
        Syntax::Headers => "a header as NAME=VALUE",
        Syntax::Keys => "KEY=VALUE with a key that is not empty",
        Syntax::Path => "a path without a NUL",
        Syntax::Free => "another value",
    })
}

fn fits(syntax: Syntax, text: &str) -> bool {
    match syntax {
        Syntax::MediaType => check_media_type(text).is_ok(),
        Syntax::Platform => is_platform(text),
        Syntax::HeaderText => is_header_text(text),
        Syntax::Proxy => text == "off" || is_proxy(text),
        Syntax::Plain => !text.chars().any(char::is_control),
        Syntax::Token => text.bytes().all(|byte| byte.is_ascii_graphic()),
        Syntax::Hosts => is_host(text),
        Syntax::Repositories => is_repository("registry.test", text),
        Syntax::Mirrors => is_mirror(text),
        Syntax::Path => !text.contains('\0'),
        Syntax::Free | Syntax::Headers | Syntax::Keys => true,
    }
}

fn is_platform(text: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    (2..=3).contains(&text.split('/').count()) && text.split('/').all(word)
}

fn is_header_text(text: &str) -> bool {
    text.is_ascii() && HeaderValue::from_str(text).is_ok()
}

/// A scheme may be left out.
fn is_proxy(text: &str) -> bool {
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    Url::parse(&whole)
        .is_ok_and(|url| url.has_host() && matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h"))
}

/// `HOST` or `HOST:PORT`: nothing before, nothing behind, no pattern.
fn is_host(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    text.bytes().all(plain) && Url::parse(&format!("http://{text}/")).is_ok_and(|url| url.has_host())
}

fn is_repository(registry: &str, name: &str) -> bool {
    match format!("{registry}/{name}").parse() {
        Ok(Reference::Registry(at)) => at.registry == registry && at.repository == name,
        _ => false,
    }
}

fn is_mirror(text: &str) -> bool {
    let place = text.strip_suffix("?ns").unwrap_or(text);
    let (host, prefix) = place.split_once('/').unwrap_or((place, ""));
    match prefix.trim_end_matches('/') {
        "" => is_repository(host, "x"),
        prefix => is_repository(host, &format!("{prefix}/x")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{OPTIONS, Options, Scope};
    use super::*;
    use crate::error::Kind;

    /// Values that are right, and some that are not, by option.
    const CASES: &[(&str, &[&str], &[&str])] = &[
        ("config_media_type", &["", "application/vnd.x+json"], &["json", "a/b/c", "not a type", "/x", "a/"]),
        ("layer_media_type", &["application/vnd.x.tar+gzip"], &["not a media type", "component", "a/b;c=d"]),
        (
            "platform",
            &["linux/amd64", "linux/arm64/v8", "windows/amd64"],
            &["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux amd64", "linux//v8"],
        ),
        ("user_agent", &["", "tool/1.0 (x)"], &["t\u{f6}ol", "a\u{7f}"]),
        (
            "proxy",
            &["", "off", "http://u:p@proxy.test:3128", "socks5://127.0.0.1:1", "proxy.test:3128", "[::1]:1"],
            &["ftp://proxy.test", "http://", "proxy.test:port", "://x", "http://a b"],
        ),
        ("username", &["", "u", "\u{fc}ser", "<token>"], &["a\tb", "a\u{1b}[2J"]),
        ("password", &["", "p w\u{20ac}"], &["a\tb", "a\u{7}"]),
        ("identity_token", &["", "a.b-c_d~+/="], &["a b", "\u{20ac}", "a\tb"]),
        ("registry_token", &["", "eyJ.x.y"], &["a b", "\u{20ac}", "a\tb"]),
        (
            "plain_http_hosts",
            &["", "a.test, b.test:5000", "localhost", "[::1]:5000", "127.0.0.1:5000"],
            &[
                "http://a.test",
                "a.test/x",
                "u@a.test",
                "a.test:x",
                "a.test:99999",
                "a b",
                "*.test",
                "a.test,/",
            ],
        ),
        ("token_hosts", &["auth.test"], &["https://auth.test", "*.test"]),
        ("download_hosts", &["10.0.0.7:9000"], &["10.0.0.7:9000/x", "a?b"]),
        ("upload_hosts", &["s.test"], &["s.test#x", "\u{fc}.test"]),
        ("certs_dirs", &["", "/a,default"], &["/a\0b"]),
        ("mount_from", &["", "org/app,library/x"], &["Org/app", "org/app:v1", "a@b", "/x", "org//app"]),
        (
            "mirrors",
            &["", "m.test", "m.test:5000/prefix/?ns", "m.test/a/b"],
            &["https://m.test", "m.test?x", "mirror", "m.test/A", "m.test:x", "m.test//a"],
        ),
        ("header", &["X-Key=v", "X-Key="], &["X Key=v", "=v", "X-Key=\u{20ac}", "X-Key", "X:Y=v"]),
        ("annotation", &["k=v", "k=", "k=a=b"], &["=v", "k", ""]),
        ("layer_annotation", &["k=v"], &["=v", "k"]),
        ("cache", &["true", "0", "on"], &["", "maybe", "2", "TRUE"]),
        ("retries", &["0", "100"], &["", "-1", "101", "1.5", "0x1", "1 ", "1e3"]),
        ("parallel", &["1", "64"], &["0", "65", "many"]),
        ("timeout_ms", &["0", "1500"], &["1s", "-1", "9223372036854775808", "1_000"]),
        ("existing", &["refuse", "merge"], &["", "Merge", "overwrite"]),
        ("ca_file", &["", "/a b/\u{fc}"], &["a\0b", "a\nb"]),
    ];

    /// Options that take any text: they are names of something elsewhere.
    const FREE: &[&str] = &["artifact_type", "leave_out"];

    fn set(options: &mut Options, name: &str, value: &str) -> crate::error::Result<()> {
        match super::super::find(name).unwrap().scope {
            Scope::Host => options.set_host("reg.test", name, value),
            _ => options.set(name, value),
        }
    }

    #[test]
    fn a_value_is_checked_when_it_is_set_and_a_bad_one_changes_nothing() {
        for (name, right, wrong) in CASES {
            let mut options = Options::new();
            for value in *right {
                set(&mut options, name, value).unwrap_or_else(|error| panic!("{name}={value}: {error}"));
            }
            let before = format!("{options:?}");
            let (values, hosts) = (options.values.clone(), options.hosts.clone());
            for value in *wrong {
                let error = set(&mut options, name, value).unwrap_err();
                let message = error.message();
                assert!(
                    error.kind() == Kind::Argument && message.contains(&format!("'{name}'")),
                    "{message}"
                );
                let shown = super::super::find(name).unwrap().is_shown() && !value.contains(['\0', '\n']);
                let quoted = message.contains(&format!("'{}'", crate::error::printable(value)));
                assert!(quoted == shown || value.is_empty(), "{name}={value}: {message}");
            }
            assert_eq!(format!("{options:?}"), before, "{name}");
            assert!(options.values == values && options.hosts == hosts, "{name}");
        }
    }

    #[test]
    fn each_option_that_is_text_is_here_or_free() {
        for spec in OPTIONS {
            let listed = CASES.iter().any(|(name, ..)| *name == spec.name) || FREE.contains(&spec.name);
            let by_type = matches!(
                spec.kind,
                Type::Bool | Type::Int(..) | Type::Size(..) | Type::Millis(..) | Type::Choice(_) | Type::Path
            );
            assert!(listed || by_type, "say in syntax.rs what a value of '{}' looks like", spec.name);
        }
        // The types' own checks hold for each option of them.
        for spec in OPTIONS.iter().filter(|spec| spec.scope != Scope::Host) {
            let wrong = match spec.kind {
                Type::Bool => "maybe",
                Type::Int(..) | Type::Size(..) | Type::Millis(..) => "1s",
                Type::Choice(_) => "none of them",
                _ => continue,
            };
            let error = Options::new().set(spec.name, wrong).unwrap_err();
            assert!(error.message().contains(&format!("'{}'", spec.name)), "{error}");
        }
    }

    #[test]
    fn pairs_and_paths_by_their_own_setters_are_checked_too() {
        let mut options = Options::new();
        assert!(options.set_pair("annotation", "", "v").unwrap_err().message().contains("'annotation'"));
        assert!(options.set_path("ca_file", "a\0b").unwrap_err().message().contains("'ca_file'"));
        options.set_pair("annotation", "a=b", "v").unwrap();
        options.set_path("ca_file", "a\nb").unwrap();
        assert_eq!(options.values.len(), 2);
    }
}
