//! What `build.rs` makes of the table of options: Rust for this module, and a page of documentation.
//! No part of the crate.

use std::fmt::Write as _;

use crate::table::{OPTIONS, OptionSpec, Scope, Type};

/// Rust that `settings.rs` includes: an enum for each choice, the fields of the settings, the typed setters.
pub(crate) fn settings() -> String {
    let mut text = String::new();
    for (spec, words) in choices() {
        text.push_str(&choice(spec, words));
    }
    let (hosts, others): (Vec<_>, Vec<_>) = OPTIONS.iter().partition(|spec| spec.scope == Scope::Host);
    let about = "The options' values as their types have them; a field's default is the option's.";
    text.push_str(&fields("Typed", about, &others));
    text.push_str(&fields("HostSettings", "What was set for one host.", &hosts));
    text.push_str(&rust_setters());
    text
}

fn choices() -> impl Iterator<Item = (&'static OptionSpec, &'static [&'static str])> {
    OPTIONS.iter().filter_map(|spec| match spec.kind {
        Type::Choice(words) => Some((spec, words)),
        _ => None,
    })
}

/// A help text as a comment of Rust: its brackets are no links.
fn rustdoc(help: &str) -> String {
    help.replace('[', "\\[").replace(']', "\\]")
}

/// `last_wins` to `LastWins`.
fn camel(name: &str) -> String {
    let capital = |part: &str| part[..1].to_uppercase() + &part[1..];
    name.split('_').map(capital).collect()
}

fn choice(spec: &OptionSpec, words: &[&str]) -> String {
    let (name, help) = (camel(spec.name), rustdoc(spec.help));
    let mut text = format!("/// Option `{}`: {help}\n", spec.name);
    text.push_str("#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]\n");
    let _ = writeln!(text, "pub enum {name} {{");
    for word in words {
        let default = if *word == spec.default { "#[default]\n    " } else { "" };
        let _ = writeln!(text, "    /// `{word}`\n    {default}{},", camel(word));
    }
    let _ = writeln!(
        text,
        "}}\n\nimpl {name} {{\n    fn of(word: Option<&str>) -> Self {{\n        match word {{"
    );
    for word in words {
        let _ = writeln!(text, "            Some(\"{word}\") => Self::{},", camel(word));
    }
    text.push_str(
        "            _ => Self::default(),\n        }\n    }\n\n    /// Its word, as text has it.\n",
    );
    text.push_str("    pub fn word(self) -> &'static str {\n");
    text.push_str("        match self {\n");
    for word in words {
        let _ = writeln!(text, "            Self::{} => \"{word}\",", camel(word));
    }
    text.push_str("        }\n    }\n}\n\n");
    text
}

/// The name of an option's field: the type says the unit.
fn field(spec: &OptionSpec) -> &'static str {
    match spec.kind {
        Type::Millis(..) => spec.name.trim_end_matches("_ms"),
        _ => spec.name,
    }
}

/// The type of an option's field, and how its value is read.
fn read(spec: &OptionSpec) -> (String, String) {
    let name = spec.name;
    let host = spec.scope == Scope::Host;
    let (kind, read) = match spec.kind {
        Type::Bool => ("bool", format!("values.bool(\"{name}\")")),
        Type::Int(..) => ("u64", format!("values.int(\"{name}\")")),
        Type::Size(..) => ("usize", format!("usize::try_from(values.int(\"{name}\")).unwrap_or(usize::MAX)")),
        Type::Millis(..) => ("Duration", format!("Duration::from_millis(values.int(\"{name}\"))")),
        Type::Text if host => ("Option<String>", format!("values.text(\"{name}\").map(str::to_owned)")),
        Type::Text => ("String", format!("values.text(\"{name}\").unwrap_or_default().to_owned()")),
        Type::Path => ("Option<PathBuf>", format!("values.path(\"{name}\")")),
        Type::List => ("Vec<String>", format!("values.list(\"{name}\")")),
        Type::Secret => ("Option<Secret>", format!("values.secret(\"{name}\")")),
        Type::Choice(_) => return (camel(name), format!("{}::of(values.text(\"{name}\"))", camel(name))),
        // What a host gets may be a secret.
        Type::Pairs if host => (
            "BTreeMap<String, Secret>",
            format!("values.pairs(\"{name}\").into_iter().map(|(k, v)| (k, Secret::new(v))).collect()"),
        ),
        Type::Pairs => ("BTreeMap<String, String>", format!("values.pairs(\"{name}\")")),
    };
    (kind.to_owned(), read)
}

fn fields(name: &str, about: &str, specs: &[&OptionSpec]) -> String {
    let mut text = format!("/// {about}\n#[derive(Clone, Default)]\n");
    if specs.iter().all(|spec| spec.scope == Scope::Host) {
        // Its secrets show themselves as such.
        text = text.replace("Clone, Default", "Debug, Clone, Default");
    }
    let _ = writeln!(text, "pub struct {name} {{");
    for spec in specs {
        let _ = writeln!(text, "    /// {}\n    pub {}: {},", rustdoc(spec.help), field(spec), read(spec).0);
    }
    let _ = writeln!(text, "}}\n\nimpl {name} {{\n    fn of(values: &Values) -> Self {{\n        Self {{");
    for spec in specs {
        let _ = writeln!(text, "            {}: {},", field(spec), read(spec).1);
    }
    text.push_str("        }\n    }\n}\n\n");
    text
}

/// `Options::set_<name>`, for options that are not a host's.
fn rust_setters() -> String {
    let mut text = "impl Options {\n".to_owned();
    for spec in OPTIONS.iter().filter(|spec| spec.scope != Scope::Host) {
        let (name, bare) = (spec.name, field(spec));
        let (parameters, value) = match spec.kind {
            Type::Bool => ("value: bool".to_owned(), "if value { \"true\" } else { \"false\" }"),
            Type::Int(..) => ("value: u64".to_owned(), "&value.to_string()"),
            Type::Size(..) => ("value: usize".to_owned(), "&value.to_string()"),
            Type::Millis(..) => ("value: Duration".to_owned(), "&value.as_millis().to_string()"),
            Type::Choice(_) => (format!("value: {}", camel(name)), "value.word()"),
            Type::Path => ("value: impl Into<PathBuf>".to_owned(), ""),
            Type::Pairs => ("key: &str, value: &str".to_owned(), ""),
            Type::Text | Type::List | Type::Secret => ("value: &str".to_owned(), "value"),
        };
        let call = match spec.kind {
            Type::Path => format!("self.set_path(\"{name}\", value)"),
            Type::Pairs => format!("self.set_pair(\"{name}\", key, value)"),
            _ => format!("self.set(\"{name}\", {value})"),
        };
        let _ = writeln!(
            text,
            "    /// {}\n    pub fn set_{bare}(&mut self, {parameters}) -> Result<()> {{\n        {call}\n    }}",
            rustdoc(spec.help)
        );
    }
    text.push_str("}\n");
    text
}

/// The page of documentation.
pub(crate) fn page() -> String {
    let mut text = "# Options

Every option by its name, as `cldoci_options_set`, `cldoci_options_set_host`, the bindings and the tool's `--option`
take it. In the environment an option is `CLDOCI_<NAME>`, but for those of one host. A call's option beats the
client's, which beats the environment, which beats the default. This page is made from `src/options/table.rs`.

| option | type | belongs to | default | what it does |
|---|---|---|---|---|
"
    .to_owned();
    for spec in OPTIONS {
        let kind = match spec.kind {
            Type::Choice(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
            }
            kind => kind.name().to_owned(),
        };
        let default = if spec.default.is_empty() { String::new() } else { format!("`{}`", spec.default) };
        let scope = match spec.scope {
            Scope::Both => "client, call",
            other => other.name(),
        };
        let help = spec.help.replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | {kind} | {scope} | {default} | {help} |", spec.name);
    }
    text
}
