//! What `build.rs` makes for `src/ffi`: the setters of options, the `_start` form of each verb, and the list of all that
//! the header declares. No part of the crate.

use std::fmt::Write as _;

use crate::table::{OPTIONS, OptionSpec, Scope, Type};

/// The setters: `cldoci_options_set_<name>`, and the constants of choices.
pub(crate) fn setters() -> String {
    OPTIONS.iter().filter(|spec| spec.scope != Scope::Host).map(c_setter).collect()
}

fn c_setter(spec: &OptionSpec) -> String {
    let name = spec.name;
    let constants = format!("CLDOCI_{}_", name.to_uppercase());
    let mut text = String::new();
    let mut default = match spec.default {
        "" => "empty".to_owned(),
        default => default.to_owned(),
    };
    const TEXT: &str = "value: *const c_char";
    let (parameters, about, call) = match spec.kind {
        Type::Bool => {
            default = if spec.default == "true" { "1" } else { "0" }.to_owned();
            ("value: i32", "@param value  1 or 0".to_owned(), "set_bool")
        }
        Type::Int(low, high) | Type::Size(low, high) | Type::Millis(low, high) => {
            let range = match high {
                i64::MAX => format!("@param value  the number, at least {low}"),
                _ => format!("@param value  the number, from {low} to {high}"),
            };
            ("value: i64", range, "set_int")
        }
        Type::Choice(words) => {
            for (number, word) in words.iter().enumerate() {
                let constant = format!("{constants}{}", word.to_uppercase());
                let _ = writeln!(text, "/// `{word}` of `cldoci_options_set_{name}`.");
                let _ = writeln!(text, "pub const {constant}: i32 = {number};");
            }
            default = format!("{constants}{}", spec.default.to_uppercase());
            ("value: i32", format!("@param value  {constants}…"), "set_choice")
        }
        Type::Path => (TEXT, "@param value  borrowed, not NULL, a path of any bytes; copied".to_owned(), "set_path"),
        Type::List => {
            let items = "one item, or several with commas between; copied. Setting it again adds to it";
            (TEXT, format!("@param value  borrowed, not NULL, UTF-8: {items}"), "set_text")
        }
        Type::Text | Type::Secret => (TEXT, "@param value  borrowed, not NULL, UTF-8; copied".to_owned(), "set_text"),
        Type::Pairs => (
            "key: *const c_char,\n    value: *const c_char",
            "@param key    borrowed, not NULL, UTF-8; copied\n@param value  borrowed, not NULL, UTF-8; copied. \
             Another key adds to it"
                .to_owned(),
            "set_pair",
        ),
    };
    let belongs = match spec.scope {
        Scope::Client => "a client",
        Scope::Call => "a call",
        Scope::Both | Scope::Host => "a client or a call",
    };
    let help = spec.help[..1].to_uppercase() + &spec.help[1..];
    let values = if matches!(spec.kind, Type::Pairs) { "key, value" } else { "value" };
    text.push_str(&comment(&format!("{help}. Belongs to {belongs}. Default: {default}."), ""));
    text.push_str("///\n");
    for line in about.lines() {
        text.push_str(&comment(line, "              "));
    }
    let _ = writeln!(
        text,
        "#[unsafe(no_mangle)]
pub unsafe extern \"C\" fn cldoci_options_set_{name}(
    options: *mut cldoci_options,
    {parameters},
    error: *mut *mut cldoci_error,
) -> cldoci_status {{
    guard::status(error, || {call}(options, \"{name}\", {values}))
}}
"
    );
    text
}

/// A comment of Rust, wrapped as the header wants it; further lines begin with `indent`.
fn comment(text: &str, indent: &str) -> String {
    const WIDTH: usize = 106;
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split(' ') {
        if !line.trim().is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(lines, "/// {line}");
            line = indent.to_owned() + word;
        } else {
            if !line.trim().is_empty() || line.is_empty() && !lines.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    let _ = writeln!(lines, "/// {line}");
    lines
}
/// The `_start` form of each verb in this file, and the file's text with each behind its verb, as the header has them.
pub(crate) fn start_forms(source: &str) -> Result<(String, String), String> {
    const BEGIN: &str = "#[unsafe(no_mangle)]\npub unsafe extern \"C\" fn cldoci_";
    let mut parts = source.split(BEGIN);
    let (mut forms, mut both) = (String::new(), parts.next().unwrap_or("").to_owned());
    for part in parts {
        let (verb, rest) = part.split_once("\n}\n").ok_or("a verb has no end")?;
        let name = verb.split('(').next().unwrap_or("");
        let mut form = format!(
            "/// Starts `cldoci_{name}` and returns at once.\n\
             {BEGIN}{verb}\n}}\n"
        );
        for (waits, starts) in [
            (format!("fn cldoci_{name}("), format!("fn cldoci_{name}_start(")),
            (
                "result: *mut *mut cldoci_result".to_owned(),
                "operation: *mut *mut cldoci_operation".to_owned(),
            ),
            ("(client, options, result, error)".to_owned(), "(client, options, operation, error)".to_owned()),
        ] {
            if form.matches(&waits).count() != 1 {
                return Err(format!("cldoci_{name} is no verb: `{waits}` is to be in it once"));
            }
            form = form.replace(&waits, &starts);
        }
        let _ = write!(both, "{BEGIN}{verb}\n}}\n\n{form}{rest}");
        let _ = writeln!(forms, "{form}");
    }
    Ok((forms, both))
}

/// One function of the header.
pub(crate) struct Function {
    pub(crate) name: String,
    returns: String,
    /// Type and name of each parameter.
    parameters: Vec<(String, String)>,
    /// The comment before it, without its stars.
    text: String,
}

/// Type and name of what is declared.
fn split(declaration: &str) -> (String, String) {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let at = declaration.trim_end_matches(name).len();
    (declaration[..at].trim().to_owned(), declaration[at..].to_owned())
}

/// Every function that the header declares.
pub(crate) fn functions(header: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    for block in header.split("\n/**").skip(1) {
        let Some((comment, rest)) = block.split_once("*/\n") else { continue };
        let Some((declaration, _)) = rest.split_once(';') else { continue };
        let declaration = declaration.split_whitespace().collect::<Vec<_>>().join(" ");
        if declaration.starts_with("typedef") || declaration.starts_with('#') {
            continue;
        }
        let Some((head, parameters)) = declaration.split_once('(') else { continue };
        let (returns, name) = split(head);
        let parameters = match parameters.trim_end_matches(')') {
            "void" => Vec::new(),
            parameters => parameters.split(',').map(|parameter| split(parameter.trim())).collect(),
        };
        let lines = comment.lines().map(|line| line.trim_start().trim_start_matches('*').trim());
        let text = lines.collect::<Vec<_>>().join("\n").trim().to_owned();
        functions.push(Function { name, returns, parameters, text });
    }
    functions
}

/// Every constant that the header defines as a number, in its order.
pub(crate) fn constants(header: &str) -> impl Iterator<Item = (&str, i64)> {
    let defines = header.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' '));
    defines.filter_map(|(name, number)| Some((name, number.parse().ok()?)))
}

/// Every struct that the header lays open, with type and name of each member.
fn structs(header: &str) -> impl Iterator<Item = (&str, Vec<(String, String)>)> {
    header.split("\ntypedef struct ").skip(1).filter_map(|part| {
        let (name, rest) = part.split_once(" {")?;
        let members = rest.split_once("\n}")?.0.lines().filter_map(|line| line.strip_suffix(';'));
        Some((name, members.map(|member| split(member.trim())).collect()))
    })
}

/// All of it as JSON, for bindings, scripts and tests, so that nobody else needs to read C.
pub(crate) fn json(header: &str, with_texts: bool) -> String {
    let pairs = |pairs: &[(String, String)]| {
        let pairs = pairs.iter().map(|(kind, name)| format!("[{}, {}]", quoted(kind), quoted(name)));
        format!("[{}]", pairs.collect::<Vec<_>>().join(", "))
    };
    let functions = functions(header).into_iter().map(|function| {
        let text = if with_texts { format!(", \"text\": {}", quoted(&function.text)) } else { String::new() };
        let (name, returns) = (quoted(&function.name), quoted(&function.returns));
        format!("{name}: {{\"returns\": {returns}, \"parameters\": {}{text}}}", pairs(&function.parameters))
    });
    let structs = structs(header).map(|(name, members)| format!("{}: {}", quoted(name), pairs(&members)));
    let constants = constants(header).map(|(name, number)| format!("{}: {number}", quoted(name)));
    let object = |items: Vec<String>| format!("{{\n    {}\n  }}", items.join(",\n    "));
    format!(
        "{{\n  \"constants\": {},\n  \"structs\": {},\n  \"functions\": {}\n}}\n",
        object(constants.collect()),
        object(structs.collect()),
        object(functions.collect())
    )
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
