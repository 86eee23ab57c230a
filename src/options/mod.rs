//! Options: what a caller sets, by name or by a typed setter, and the settings that they come to. `table` declares
//! each option once; `build.rs` makes the rest of it (`generate`): the fields of [`Settings`], the enums of choices,
//! the typed setters of [`Options`] and of C, and the table of docs/options.md. No I/O.

mod environment;
mod secret;
mod settings;
mod syntax;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::{Error, Kind, Result, printable};
pub use environment::Environment;
pub use secret::Secret;
pub use settings::*;
pub use table::{OPTIONS, OptionSpec, Scope, Type, find};

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Bool(bool),
    Int(i64),
    Text(String),
    Path(PathBuf),
    List(Vec<String>),
    Secret(Secret),
    Pairs(BTreeMap<String, String>),
}

type Values = BTreeMap<&'static str, Value>;

/// Options as a caller sets them, by name. Each value is checked when it is set.
#[derive(Clone, Default)]
pub struct Options {
    values: Values,
    hosts: BTreeMap<String, Values>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |values: &Values| -> BTreeMap<_, _> {
            let show = |name| find(name).is_some_and(OptionSpec::is_shown);
            values.iter().map(|(name, value)| (*name, Some(value.clone()).filter(|_| show(*name)))).collect()
        };
        let hosts: BTreeMap<_, _> = self.hosts.iter().map(|(host, values)| (host, shown(values))).collect();
        f.debug_struct("Options").field("values", &shown(&self.values)).field("hosts", &hosts).finish()
    }
}

impl Options {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an option from text. Lists and pairs grow, all else is replaced.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let spec = look_up(name)?;
        if spec.scope == Scope::Host {
            return Err(argument(format!("option '{name}' belongs to one host: use set_host")));
        }
        put(&mut self.values, spec, parse(spec, value)?);
        Ok(())
    }

    /// Sets a path option; the bytes need not be UTF-8.
    pub fn set_path(&mut self, name: &str, value: impl Into<PathBuf>) -> Result<()> {
        let spec = look_up(name)?;
        if spec.kind != Type::Path || spec.scope == Scope::Host {
            return Err(argument(format!("option '{name}' is not a path of a client or a call")));
        }
        put(&mut self.values, spec, checked(spec, Value::Path(value.into()))?);
        Ok(())
    }

    /// Sets one pair of an option that holds pairs; the key may hold a `=`.
    pub fn set_pair(&mut self, name: &str, key: &str, value: &str) -> Result<()> {
        let spec = look_up(name)?;
        if spec.kind != Type::Pairs || spec.scope == Scope::Host {
            return Err(argument(format!("option '{name}' holds no pairs")));
        }
        let pair = Value::Pairs(BTreeMap::from([(key.to_owned(), value.to_owned())]));
        put(&mut self.values, spec, checked(spec, pair)?);
        Ok(())
    }

    /// Sets an option of one host (`HOST` or `HOST:PORT`).
    pub fn set_host(&mut self, host: &str, name: &str, value: &str) -> Result<()> {
        let spec = look_up(name)?;
        if spec.scope != Scope::Host {
            return Err(argument(format!("option '{name}' does not belong to one host: use set")));
        }
        let host = registry_name(host)?;
        put(self.hosts.entry(host).or_default(), spec, parse(spec, value)?);
        Ok(())
    }

    /// The hosts that an option was set for.
    pub(crate) fn hosts_with(&self, name: &str) -> impl Iterator<Item = &str> {
        let set = self.hosts.iter().filter(move |(_, values)| values.contains_key(name));
        set.map(|(host, _)| host.as_str())
    }

    fn check_scope(&self, call: bool) -> Result<()> {
        let wrong = |name: &str, scope: &str, given: &str| {
            Err(argument(format!("option '{name}' belongs to a {scope} and was given to a {given}")))
        };
        if call && !self.hosts.is_empty() {
            return wrong("set_host", "client", "call");
        }
        for name in self.values.keys() {
            match (look_up(name)?.scope, call) {
                (Scope::Client, true) => return wrong(name, "client", "call"),
                (Scope::Call, false) => return wrong(name, "call", "client"),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A registry's name (`HOST` or `HOST:PORT`) as references have it: Docker Hub has one name.
pub fn registry_name(host: &str) -> Result<String> {
    let bad = || argument(format!("invalid registry '{}': must be HOST or HOST:PORT", printable(host)));
    match format!("{host}/x").parse().map_err(|_| bad())? {
        // A first component that is no host counts as a repository of Docker Hub.
        crate::oci::Reference::Registry(reference)
            if reference.registry == host || matches!(host, "index.docker.io" | "registry-1.docker.io") =>
        {
            Ok(reference.registry)
        }
        _ => Err(bad()),
    }
}

fn argument(why: impl Into<String>) -> Error {
    Error::new(Kind::Argument, why)
}

fn look_up(name: &str) -> Result<&'static OptionSpec> {
    find(name).ok_or_else(|| {
        let known: Vec<_> = OPTIONS.iter().map(|spec| spec.name).collect();
        argument(format!("unknown option '{}' (known are {})", printable(name), known.join(", ")))
    })
}

fn put(values: &mut Values, spec: &'static OptionSpec, value: Value) {
    match (values.get_mut(spec.name), value) {
        (Some(Value::List(list)), Value::List(more)) => list.extend(more),
        (Some(Value::Pairs(pairs)), Value::Pairs(more)) => pairs.extend(more),
        (_, value) => {
            values.insert(spec.name, value);
        }
    }
}

/// A value that did not come as one text, if it looks as it must.
fn checked(spec: &OptionSpec, value: Value) -> Result<Value> {
    match syntax::must_be(spec, &value) {
        None => Ok(value),
        Some(want) => Err(argument(format!("option '{}' must be {want}", spec.name))),
    }
}

/// Text to value. The message never holds the value of a secret.
fn parse(spec: &OptionSpec, text: &str) -> Result<Value> {
    let bad = |want: String| {
        let is = if spec.is_shown() { format!(" is '{}',", printable(text)) } else { String::new() };
        argument(format!("option '{}'{is} must be {want}", spec.name))
    };
    if text.contains(['\0', '\r', '\n']) {
        return Err(argument(format!("option '{}' has a control character", spec.name)));
    }
    let value = match spec.kind {
        Type::Bool => match text {
            "true" | "1" | "yes" | "on" => Value::Bool(true),
            "false" | "0" | "no" | "off" => Value::Bool(false),
            _ => return Err(bad("true or false".to_owned())),
        },
        Type::Int(low, high) | Type::Size(low, high) | Type::Millis(low, high) => match text.parse::<i64>() {
            Ok(number) if (low..=high).contains(&number) => Value::Int(number),
            _ => return Err(bad(format!("a number from {low} to {high}"))),
        },
        Type::Text => Value::Text(text.to_owned()),
        Type::Path => Value::Path(text.into()),
        Type::List => {
            Value::List(text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect())
        }
        Type::Choice(words) if words.contains(&text) => Value::Text(text.to_owned()),
        Type::Choice(words) => return Err(bad(format!("one of {}", words.join(", ")))),
        Type::Secret => Value::Secret(Secret::new(text)),
        Type::Pairs => match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                Value::Pairs(BTreeMap::from([(key.to_owned(), value.to_owned())]))
            }
            _ => return Err(bad("KEY=VALUE".to_owned())),
        },
    };
    match syntax::must_be(spec, &value) {
        None => Ok(value),
        Some(want) => Err(bad(want.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(options: &Options) -> Settings {
        Settings::for_client(options, Environment::of([("CLDOCI_PARALLEL", "7"), ("SOURCE_DATE_EPOCH", "5")]))
            .unwrap()
    }

    #[test]
    fn call_beats_client_beats_environment_beats_default() {
        let mut options = Options::new();
        assert_eq!(client(&options).parallel, 7);
        assert_eq!(client(&options).retries, 5);
        assert_eq!(client(&options).source_date_epoch, 5);
        options.set("parallel", "2").unwrap();
        let settings = client(&options);
        assert_eq!(settings.parallel, 2);
        let mut call = Options::new();
        call.set("parallel", "3").unwrap();
        assert_eq!(settings.for_call(Some(&call)).unwrap().parallel, 3);
        options.set("environment", "false").unwrap();
        assert_eq!(client(&options).source_date_epoch, 0);
    }

    #[test]
    fn an_option_in_the_wrong_place_is_an_error() {
        let mut options = Options::new();
        options.set("store", "/x").unwrap();
        let settings = client(&options);
        let error = settings.for_call(Some(&options)).err().unwrap();
        assert!(error.message().contains("'store' belongs to a client"), "{error}");
        let mut call = Options::new();
        call.set("existing", "merge").unwrap();
        assert!(Settings::for_client(&call, Environment::default()).is_err());
    }

    #[test]
    fn unknown_names_list_what_is_known_and_secrets_stay_secret() {
        let mut options = Options::new();
        let error = options.set("paralel", "1").unwrap_err();
        assert!(error.message().contains("known are store,"), "{error}");
        assert!(options.set("parallel", "0").unwrap_err().message().contains("from 1 to 64"));
        let error = options.set_host("ghcr.io", "password", "canary\n").unwrap_err();
        assert!(!error.message().contains("canary"));
        options.set_host("ghcr.io", "password", "canary").unwrap();
        assert!(!format!("{options:?}").contains("canary"));
        options.set("proxy", "http://u:canary@proxy.test:3128").unwrap();
        options.set_host("ghcr.io", "header", "X-Key=canary").unwrap();
        options.set_host("ghcr.io", "username", "shown").unwrap();
        let host = client(&options).host("ghcr.io");
        assert_eq!(host.header["X-Key"].expose(), "canary");
        for text in [format!("{options:?}"), format!("{host:?}")] {
            assert!(text.contains("shown") && !text.contains("canary"), "{text}");
        }
        // Written as in a request, which is wrong here.
        let error = options.set_host("ghcr.io", "header", "Authorization: Bearer canary").unwrap_err();
        assert!(
            error.message().contains("must be KEY=VALUE") && !error.message().contains("canary"),
            "{error}"
        );
        for bad in ["gh cr/io", "", "myhost", "library", "ghcr.io/org", "https://ghcr.io", "u@ghcr.io"] {
            assert!(options.set_host(bad, "insecure", "true").is_err(), "{bad}");
        }
        assert!(options.set("password", "x").unwrap_err().message().contains("set_host"));
    }

    #[test]
    fn every_default_of_the_table_is_valid() {
        assert!(Settings::for_client(&Options::new(), Environment::default()).is_ok());
        let mut names: Vec<_> = OPTIONS.iter().map(|spec| spec.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), OPTIONS.len());
    }

    #[test]
    fn the_hub_has_one_name_and_plain_hosts_are_found() {
        let mut options = Options::new();
        options.set_host("index.docker.io", "username", "u").unwrap();
        options.set("plain_http_hosts", "a.test, b.test:5000").unwrap();
        let settings = client(&options);
        assert_eq!(settings.host("docker.io").username.as_deref(), Some("u"));
        assert!(settings.host("b.test:5000").plain_http && !settings.host("b.test").plain_http);
    }
}
