//! Calls of the functions of the header, in C, with good arguments but for those that a test replaces.

use std::fmt::Write as _;

use super::Function;

/// The handle types, in the order of `CLDOCI_HANDLE_…`.
pub(crate) const HANDLES: [&str; 10] = [
    "error",
    "options",
    "credential",
    "reference",
    "config",
    "artifact",
    "artifact_builder",
    "client",
    "operation",
    "result",
];

/// The constant of a handle's type, for `const cldoci_x *` and `cldoci_x **`.
pub(crate) fn handle(kind: &str) -> Option<String> {
    let name = kind.trim_start_matches("const ").trim_end_matches('*').trim().strip_prefix("cldoci_")?;
    HANDLES.contains(&name).then(|| format!("CLDOCI_HANDLE_{}", name.to_uppercase()))
}

/// What the header says of a parameter: the function's comment; for a `_start` form the verb's; else its opening page,
/// of what all functions, all verbs or all that free share. Empty where none of them says anything.
pub(crate) fn said(function: &Function, name: &str) -> String {
    let own = said_by(&function.text, name);
    let verb = function.name.trim_end_matches("_start");
    let is_verb = super::functions().iter().any(|other| other.name == format!("{verb}_start"));
    let sets_callback = function.name.ends_with("_callback");
    let kind = function.parameters.iter().find(|(_, named)| named == name).map_or("", |(kind, _)| kind);
    match name {
        _ if !own.is_empty() => own,
        _ if function.name.ends_with("_free") => said_once("A `_free` function takes a handle, which is "),
        "error" if kind.ends_with("**") => said_once("`error` is an "),
        "error" => said_once("An error that a function reads is "),
        "client" if is_verb => said_once("Of a verb, `client` is "),
        "options" if is_verb => said_once("`options` are "),
        "result" if is_verb => said_once("`result` is an "),
        "operation" if is_verb => said_once("and `operation`, an "),
        "length" => said_once("`length` is an "),
        "callback" if sets_callback => said_once("takes `callback`, where "),
        "user_data" if sets_callback => said_once("`user_data`, which "),
        "finalizer" if sets_callback => said_once("`finalizer`, which "),
        "index" | "layer" | "at" => said_once("`index`, `layer` and `at` "),
        _ if is_verb && !said_by(&super::function(verb).text, name).is_empty() => {
            said_by(&super::function(verb).text, name)
        }
        _ if handle(kind).is_some() && !kind.ends_with("**") => {
            said_once("A handle that a function takes is ")
        }
        _ => own,
    }
}

/// What the opening page says behind this, to the end of the bullet or to the next parameter.
fn said_once(before: &str) -> String {
    let header = super::header();
    let page = header.split("*/").next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let page = page.replace(" * ", " ");
    let (_, said) = page.split_once(before).unwrap_or_else(|| panic!("the header does not say: {before}"));
    said.split(". ").next().unwrap().split("; `").next().unwrap().to_owned()
}

/// What this comment says of a parameter.
fn said_by(text: &str, name: &str) -> String {
    let mut said = String::new();
    let mut here = false;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("@param ") {
            let (named, text) = rest.split_once(' ').unwrap();
            here = named == name;
            if here {
                said.push_str(text.trim());
            }
        } else if line.starts_with('@') || line.starts_with("Threads:") {
            here = false;
        } else if here {
            said.push(' ');
            said.push_str(line.trim());
        }
    }
    said
}

/// A text that this parameter takes.
pub(crate) fn good_text(function: &str, name: &str) -> &'static str {
    match (function, name) {
        ("cldoci_options_set", "name") => "retries",
        ("cldoci_options_set", "value") => "1",
        ("cldoci_options_set_pair", "name") => "annotation",
        ("cldoci_options_set_host", "name") => "username",
        ("cldoci_config_set", "field") => "name",
        ("cldoci_config_set_entry", "field") => "childArtifacts",
        ("cldoci_options_set_proxy", _) => "http://127.0.0.1:1",
        ("cldoci_options_set_platform", _) => "linux/amd64",
        (_, "artifact_type") => "component",
        (_, "media_type") => "text/plain",
        (_, "tag") => "v1",
        (_, "digest") => "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        (_, "registry" | "host") => "127.0.0.1:1",
        _ => "text",
    }
}

/// An argument that works out.
pub(crate) fn argument(function: &Function, at: usize) -> String {
    let (kind, name) = &function.parameters[at];
    match kind.as_str() {
        "const char *" => format!("\"{}\"", good_text(&function.name, name)),
        "const uint8_t *" => "(const uint8_t *)\"{}\"".to_owned(),
        "size_t *" | "void *" => "&number".to_owned(),
        "int32_t *" => "&number32".to_owned(),
        "cldoci_progress *" => "&progress".to_owned(),
        "cldoci_counters *" => "&counters".to_owned(),
        "cldoci_error **" => "&error".to_owned(),
        "cldoci_progress_callback" => "callback".to_owned(),
        "cldoci_credential_callback" => "credential".to_owned(),
        "cldoci_log_callback" => "log_line".to_owned(),
        "cldoci_reader" => "reader".to_owned(),
        "cldoci_finalizer" => "finalizer".to_owned(),
        "size_t" if name.ends_with("size") => "2".to_owned(),
        "int32_t" if name == "level" => "1".to_owned(),
        "int32_t" if name == "fd" => "-1".to_owned(),
        "int64_t" if name == "value" => "1".to_owned(),
        _ if kind.ends_with("**") => format!("({kind})&out[{at}]"),
        // Freeing needs one of its own.
        _ if kind.ends_with('*') && function.name.ends_with("_free") => {
            format!("({kind})make({})", handle(kind).unwrap())
        }
        // What is set here must not come with the verbs.
        "cldoci_options *" => "settings".to_owned(),
        _ if kind.ends_with('*') => format!("({kind})good[{}]", handle(kind).unwrap()),
        _ => "0".to_owned(),
    }
}

/// A call of this function with good arguments but for these.
pub(crate) fn call_with(function: &Function, instead: &[(usize, String)]) -> String {
    let arguments: Vec<_> = (0..function.parameters.len())
        .map(|at| match instead.iter().find(|(bad, _)| *bad == at) {
            Some((_, bad)) => bad.clone(),
            None => argument(function, at),
        })
        .collect();
    format!("{}({})", function.name, arguments.join(", "))
}

/// The same with what every call's outputs must hold afterwards, but for the one at `but`; the status is `status`.
pub(crate) fn checked_call(function: &Function, instead: &[(usize, String)]) -> String {
    let name = &function.name;
    let call = call_with(function, instead);
    let whole = |at: usize| !instead.iter().any(|(bad, _)| *bad == at);
    match function.returns.as_str() {
        "cldoci_status" => {
            let mut text = format!("cldoci_status status = {call}; (void)status;");
            // The status of an error is an accessor: it has none of its own.
            if name != "cldoci_error_status" {
                write!(text, " failed_if_panicked(status, \"{name}\");").unwrap();
            }
            for (at, (kind, _)) in function.parameters.iter().enumerate().filter(|(at, _)| whole(*at)) {
                match kind.as_str() {
                    "cldoci_error **" => {}
                    "int32_t *" => write!(text, " gave_number32(status, \"{name}\");").unwrap(),
                    "cldoci_progress *" | "cldoci_counters *" => {
                        let place = kind.trim_start_matches("cldoci_").trim_end_matches(" *");
                        write!(text, " gave_struct(&{place}, sizeof {place}, status, \"{name}\");").unwrap();
                    }
                    _ if kind.ends_with("**") => {
                        let type_ = handle(kind).unwrap();
                        write!(text, " gave(out[{at}], {type_}, status, \"{name}\");").unwrap();
                    }
                    _ => {}
                }
            }
            text
        }
        pointer if pointer.ends_with('*') => {
            let length = function.parameters.iter().position(|(kind, _)| kind == "size_t *");
            let check = match length {
                Some(at) if whole(at) => format!(" lent(text, \"{name}\");"),
                _ => String::new(),
            };
            format!("const void *text = {call};{check} (void)text;")
        }
        _ => format!("(void){call};"),
    }
}

/// Every pointer, functions included.
pub(crate) fn is_pointer(kind: &str) -> bool {
    kind.ends_with('*') || ["callback", "finalizer", "reader"].iter().any(|end| kind.ends_with(end))
}

pub(crate) fn has_error(function: &Function) -> bool {
    function.parameters.iter().any(|(kind, _)| kind == "cldoci_error **")
}
