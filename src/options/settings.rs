//! What the options of a client or of a call come to: call beats client beats environment beats default.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::table::{OPTIONS, Scope, Type};
use super::{Environment, Options, Secret, Value, Values, argument, parse, put};
use crate::error::{Result, printable};

// `Typed`, `HostSettings`, an enum for each choice, and the typed setters of `Options`.
include!(concat!(env!("OUT_DIR"), "/option_settings.rs"));

/// Asked once: the answer takes six files of the system to read.
static CORES: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));

/// The settings of a client or of one call: a field for each option. Clones share them.
#[derive(Clone)]
pub struct Settings(Arc<Inner>);

struct Inner {
    typed: Typed,
    /// Of a client: what its calls' options are laid over.
    values: Values,
    hosts: Arc<BTreeMap<String, Values>>,
    environment: Environment,
}

impl Deref for Settings {
    type Target = Typed;
    fn deref(&self) -> &Typed {
        &self.0.typed
    }
}

impl Settings {
    /// A client's settings.
    pub fn for_client(options: &Options, environment: Environment) -> Result<Self> {
        options.check_scope(false)?;
        let mut values = defaults()?;
        lay_over(&mut values, &options.values);
        let mut seen = Environment::default();
        if Typed::of(&values).environment {
            let set = of_environment(&environment)?;
            values = defaults()?;
            lay_over(&mut values, &set);
            lay_over(&mut values, &options.values);
            seen = environment;
        }
        let hosts = Arc::new(options.hosts.clone());
        Ok(Self(Arc::new(Inner { typed: Typed::of(&values), values, hosts, environment: seen })))
    }

    /// The settings of one call.
    pub fn for_call(&self, options: Option<&Options>) -> Result<Self> {
        let Some(options) = options else { return Ok(self.clone()) };
        options.check_scope(true)?;
        let mut values = self.0.values.clone();
        lay_over(&mut values, &options.values);
        let (hosts, environment) = (self.0.hosts.clone(), self.0.environment.clone());
        Ok(Self(Arc::new(Inner { typed: Typed::of(&values), values, hosts, environment })))
    }

    /// The environment; empty where reading it was switched off.
    pub fn environment(&self) -> &Environment {
        &self.0.environment
    }

    /// Names of variables of the environment that begin as an option's and are none: misspelt, or of one host alone.
    pub(crate) fn unknown_variables(&self) -> Vec<String> {
        // What a binding, the log, and the project's own build and tests read.
        const OTHERS: &[&str] = &[
            "CASES",
            "FAILPOINT",
            "GOLDEN",
            "HEADER",
            "LIBRARY",
            "LOG",
            "REQUIRE_TOOLS",
            "SOAK",
            "TARGET",
            "THIRD_PARTY",
            "TOOL",
        ];
        let options = OPTIONS.iter().filter(|spec| spec.scope != Scope::Host);
        let options: Vec<_> = options.map(|spec| spec.name.to_ascii_uppercase()).collect();
        let known = |name: &str| options.iter().any(|option| option == name);
        let names = self.environment().iter().filter_map(|(name, _)| name.to_str()?.strip_prefix("CLDOCI_"));
        let unknown =
            names.filter(|name| !known(name) && !OTHERS.contains(name) && !name.starts_with("TEST_"));
        let mut unknown: Vec<_> = unknown.map(|name| printable(format!("CLDOCI_{name}"))).collect();
        unknown.sort_unstable();
        unknown
    }

    /// The deadline of a call.
    pub fn deadline(&self) -> Option<Duration> {
        Some(self.timeout).filter(|t| !t.is_zero())
    }

    /// Threads that compress and inflate; by default as many as the process had cores when it was first asked.
    pub fn worker_threads(&self) -> usize {
        match self.threads {
            0 => *CORES,
            n => n,
        }
    }

    /// The hosts that something was set for.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.0.hosts.keys().map(String::as_str)
    }

    /// What was set for one host, by the registry's name as references have it.
    pub fn host(&self, host: &str) -> HostSettings {
        let mut found = self.0.hosts.get(host).map(HostSettings::of).unwrap_or_default();
        found.plain_http |= self.plain_http_hosts.iter().any(|h| h == host);
        found
    }
}

/// The table's defaults.
fn defaults() -> Result<Values> {
    OPTIONS
        .iter()
        .map(|spec| {
            let value = match spec.kind {
                // Empty pairs are not parsed.
                Type::Pairs => Value::Pairs(BTreeMap::new()),
                _ => parse(spec, spec.default)?,
            };
            Ok((spec.name, value))
        })
        .collect()
}

/// What the environment sets: `CLDOCI_<NAME>` of each option but a host's.
fn of_environment(environment: &Environment) -> Result<Values> {
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
            let parsed = parsed.map_err(|e| e.context(format!("environment variable {variable}")))?;
            put(&mut values, spec, parsed);
        }
    }
    Ok(values)
}

fn lay_over(values: &mut Values, above: &Values) {
    values.extend(above.iter().map(|(name, value)| (*name, value.clone())));
}

/// How the generated code reads a value: of an option that is there with its own type, which the table promises.
trait Read {
    fn bool(&self, name: &str) -> bool;
    fn int(&self, name: &str) -> u64;
    fn text(&self, name: &str) -> Option<&str>;
    fn path(&self, name: &str) -> Option<PathBuf>;
    fn list(&self, name: &str) -> Vec<String>;
    fn pairs(&self, name: &str) -> BTreeMap<String, String>;
    fn secret(&self, name: &str) -> Option<Secret>;
}

impl Read for Values {
    fn bool(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
    }
    fn int(&self, name: &str) -> u64 {
        match self.get(name) {
            Some(Value::Int(number)) => u64::try_from(*number).unwrap_or(0),
            _ => 0,
        }
    }
    fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
    fn path(&self, name: &str) -> Option<PathBuf> {
        match self.get(name) {
            Some(Value::Path(path)) if !path.as_os_str().is_empty() => Some(path.clone()),
            _ => None,
        }
    }
    fn list(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(Value::List(list)) => list.clone(),
            _ => Vec::new(),
        }
    }
    fn pairs(&self, name: &str) -> BTreeMap<String, String> {
        match self.get(name) {
            Some(Value::Pairs(pairs)) => pairs.clone(),
            _ => BTreeMap::new(),
        }
    }
    fn secret(&self, name: &str) -> Option<Secret> {
        match self.get(name) {
            Some(Value::Secret(secret)) if !secret.expose().is_empty() => Some(secret.clone()),
            _ => None,
        }
    }
}
