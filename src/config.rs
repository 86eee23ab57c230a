//! Options and the settings they resolve to. No I/O but the environment, which is read when a client is made.

mod table;

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result, printable};
pub use table::{OPTIONS, OptionSpec, Scope, Type, find};

/// A secret text: not shown by `Debug`, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }
    /// The secret, for whoever must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer).map(Self::new)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

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
            return Err(argument(format!("option '{name}' is no path of a client or a call")));
        }
        put(&mut self.values, spec, Value::Path(value.into()));
        Ok(())
    }

    /// Sets one pair of an option that holds pairs; the key may hold a `=`.
    pub fn set_pair(&mut self, name: &str, key: &str, value: &str) -> Result<()> {
        let spec = look_up(name)?;
        if spec.kind != Type::Pairs || spec.scope == Scope::Host {
            return Err(argument(format!("option '{name}' holds no pairs")));
        }
        put(&mut self.values, spec, Value::Pairs(BTreeMap::from([(key.to_owned(), value.to_owned())])));
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
    let bad = || argument(format!("'{}' is no registry's name (HOST or HOST:PORT)", printable(host)));
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
        argument(format!("option '{}' is not known; known are {}", printable(name), known.join(", ")))
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

/// Text to value. The message never holds the value of a secret.
fn parse(spec: &OptionSpec, text: &str) -> Result<Value> {
    let bad = |want: String| {
        let is = if spec.is_shown() { format!(" is '{}',", printable(text)) } else { String::new() };
        argument(format!("option '{}'{is} wants {want}", spec.name))
    };
    if text.contains(['\0', '\r', '\n']) {
        return Err(argument(format!("option '{}' has a control character", spec.name)));
    }
    Ok(match spec.kind {
        Type::Bool => match text {
            "true" | "1" | "yes" | "on" => Value::Bool(true),
            "false" | "0" | "no" | "off" => Value::Bool(false),
            _ => return Err(bad("true or false".to_owned())),
        },
        Type::Int(low, high) => match text.parse::<i64>() {
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
    })
}

/// The process's environment, as it was when the client was made (case X-27).
#[derive(Clone, Default)]
pub struct Environment(Arc<HashMap<OsString, OsString>>);

impl Environment {
    /// Reads the process's environment.
    pub fn capture() -> Self {
        Self(Arc::new(std::env::vars_os().collect()))
    }
    /// An environment of these variables.
    pub fn of<K: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(Arc::new(variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect()))
    }
    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|v| !v.is_empty())
    }
    /// The same as UTF-8 text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str)
    }
    /// All of it, for a child process.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(k, v)| (k.as_os_str(), v.as_os_str()))
    }
}

/// What the options of a client or of a call come to: call beats client beats environment beats default.
#[derive(Clone)]
pub struct Settings {
    /// The environment; empty where reading it was switched off.
    pub environment: Environment,
    layers: Arc<[Values]>,
    hosts: Arc<BTreeMap<String, Values>>,
    fallback: Arc<Values>,
}

impl Settings {
    /// A client's settings.
    pub fn for_client(options: &Options, environment: Environment) -> Result<Self> {
        options.check_scope(false)?;
        let mut fallback = Values::new();
        for spec in OPTIONS {
            let value = match spec.kind {
                // An empty list, pair set or secret is not parsed.
                Type::Pairs => Value::Pairs(BTreeMap::new()),
                _ => parse(spec, spec.default)?,
            };
            fallback.insert(spec.name, value);
        }
        let mut made = Self {
            environment: Environment::default(),
            layers: Arc::from(vec![options.values.clone()]),
            hosts: Arc::new(options.hosts.clone()),
            fallback: Arc::new(fallback),
        };
        if made.bool("environment") {
            let mut values = Values::new();
            for spec in OPTIONS.iter().filter(|spec| spec.scope != Scope::Host) {
                let own = format!("CLDOCI_{}", spec.name.to_ascii_uppercase());
                let standard = if spec.name == "source_date_epoch" { "SOURCE_DATE_EPOCH" } else { "" };
                for variable in [standard, own.as_str()] {
                    let Some(value) = environment.get(variable) else { continue };
                    let parsed = match (spec.kind, value.to_str()) {
                        (Type::Path, _) => Ok(Value::Path(value.into())),
                        (_, Some(text)) => parse(spec, text),
                        (_, None) => Err(argument("is not UTF-8")),
                    };
                    put(
                        &mut values,
                        spec,
                        parsed.map_err(|e| e.context(format!("environment variable {variable}")))?,
                    );
                }
            }
            made.environment = environment;
            made.layers = Arc::from(vec![options.values.clone(), values]);
        }
        Ok(made)
    }

    /// The settings of one call.
    pub fn for_call(&self, options: Option<&Options>) -> Result<Self> {
        let Some(options) = options else { return Ok(self.clone()) };
        options.check_scope(true)?;
        let mut layers = vec![options.values.clone()];
        layers.extend(self.layers.iter().cloned());
        Ok(Self { layers: Arc::from(layers), ..self.clone() })
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.layers.iter().find_map(|layer| layer.get(name)).or_else(|| self.fallback.get(name))
    }

    fn host_value(&self, host: &str, name: &str) -> Option<&Value> {
        self.hosts.get(host).and_then(|values| values.get(name))
    }

    /// A bool option.
    pub fn bool(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }
    /// A number option.
    pub fn int(&self, name: &str) -> u64 {
        match self.value(name) {
            Some(Value::Int(number)) => u64::try_from(*number).unwrap_or(0),
            _ => 0,
        }
    }
    /// A number option as a length in memory.
    pub fn size(&self, name: &str) -> usize {
        usize::try_from(self.int(name)).unwrap_or(usize::MAX)
    }
    /// A number of milliseconds.
    pub fn duration(&self, name: &str) -> Duration {
        Duration::from_millis(self.int(name))
    }
    /// The deadline of a call.
    pub fn timeout(&self) -> Option<Duration> {
        Some(self.duration("timeout_ms")).filter(|t| !t.is_zero())
    }
    /// A text or choice option.
    pub fn text(&self, name: &str) -> &str {
        match self.value(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }
    /// A path option that is not empty.
    pub fn path(&self, name: &str) -> Option<&PathBuf> {
        match self.value(name) {
            Some(Value::Path(path)) if !path.as_os_str().is_empty() => Some(path),
            _ => None,
        }
    }
    /// A list option.
    pub fn list(&self, name: &str) -> &[String] {
        match self.value(name) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }
    /// An option of pairs.
    pub fn pairs(&self, name: &str) -> BTreeMap<String, String> {
        match self.value(name) {
            Some(Value::Pairs(pairs)) => pairs.clone(),
            _ => BTreeMap::new(),
        }
    }
    /// Threads that compress and inflate.
    pub fn threads(&self) -> usize {
        match self.size("threads") {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        }
    }
    /// The hosts that something was set for.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }
    /// What was set for one host, by the registry's name as references have it.
    pub fn host(&self, host: &str) -> HostSettings {
        let text = |name| match self.host_value(host, name) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        let secret = |name| match self.host_value(host, name) {
            Some(Value::Secret(secret)) if !secret.expose().is_empty() => Some(secret.clone()),
            _ => None,
        };
        let path = |name| match self.host_value(host, name) {
            Some(Value::Path(path)) if !path.as_os_str().is_empty() => Some(path.clone()),
            _ => None,
        };
        let bool = |name| matches!(self.host_value(host, name), Some(Value::Bool(true)));
        HostSettings {
            username: text("username"),
            password: secret("password"),
            identity_token: secret("identity_token"),
            registry_token: secret("registry_token"),
            insecure: bool("insecure"),
            plain_http: bool("plain_http") || self.list("plain_http_hosts").iter().any(|h| h == host),
            ca_file: path("host_ca_file"),
            client_cert: path("client_cert"),
            client_key: path("client_key"),
            headers: match self.host_value(host, "header") {
                Some(Value::Pairs(pairs)) => {
                    pairs.iter().map(|(name, value)| (name.clone(), Secret::new(value))).collect()
                }
                _ => BTreeMap::new(),
            },
        }
    }
}

/// The settings of one host.
#[derive(Debug, Clone, Default)]
pub struct HostSettings {
    /// User name for basic authentication and token requests.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// OAuth2 refresh token.
    pub identity_token: Option<Secret>,
    /// Bearer token, sent as it is.
    pub registry_token: Option<Secret>,
    /// The certificate is not verified.
    pub insecure: bool,
    /// Plain HTTP.
    pub plain_http: bool,
    /// Certificate authorities for this host.
    pub ca_file: Option<PathBuf>,
    /// Client certificate.
    pub client_cert: Option<PathBuf>,
    /// Its key.
    pub client_key: Option<PathBuf>,
    /// Extra request headers; a value can be a secret.
    pub headers: BTreeMap<String, Secret>,
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
        assert_eq!(client(&options).int("parallel"), 7);
        assert_eq!(client(&options).int("retries"), 5);
        assert_eq!(client(&options).int("source_date_epoch"), 5);
        options.set("parallel", "2").unwrap();
        let settings = client(&options);
        assert_eq!(settings.int("parallel"), 2);
        let mut call = Options::new();
        call.set("parallel", "3").unwrap();
        assert_eq!(settings.for_call(Some(&call)).unwrap().int("parallel"), 3);
        options.set("environment", "false").unwrap();
        assert_eq!(client(&options).int("source_date_epoch"), 0);
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
        assert_eq!(host.headers["X-Key"].expose(), "canary");
        for text in [format!("{options:?}"), format!("{host:?}")] {
            assert!(text.contains("shown") && !text.contains("canary"), "{text}");
        }
        // Written as in a request, which is wrong here.
        let error = options.set_host("ghcr.io", "header", "Authorization: Bearer canary").unwrap_err();
        assert!(
            error.message().contains("wants KEY=VALUE") && !error.message().contains("canary"),
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
