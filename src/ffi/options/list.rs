//! The enumerator: what options there are, for bindings, help texts and configuration files.

use std::ffi::c_char;
use std::sync::LazyLock;

use crate::ffi::support::guard;
use crate::ffi::support::strings::OwnedCStr;
use crate::options::{OPTIONS, OptionSpec, Type};

/// The table's texts, with a NUL behind each.
struct Row {
    name: OwnedCStr,
    kind: OwnedCStr,
    scope: OwnedCStr,
    values: OwnedCStr,
    default: OwnedCStr,
    help: OwnedCStr,
}

impl Row {
    fn new(spec: &OptionSpec) -> Self {
        let values = match spec.kind {
            Type::Bool => "true, false".to_owned(),
            Type::Int(low, high) | Type::Size(low, high) | Type::Millis(low, high) => {
                format!("{low}..{high}")
            }
            Type::Choice(words) => words.join(", "),
            _ => String::new(),
        };
        Self {
            name: spec.name.into(),
            kind: spec.kind.name().into(),
            scope: spec.scope.name().into(),
            values: values.as_str().into(),
            default: spec.default.into(),
            help: spec.help.into(),
        }
    }
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| OPTIONS.iter().map(Row::new).collect());

fn lend(index: usize, pick: impl FnOnce(&'static Row) -> &'static OwnedCStr) -> *const c_char {
    guard::value(std::ptr::null(), || {
        // SAFETY: no length is asked for.
        ROWS.get(index).map(|row| unsafe { pick(row).lend(std::ptr::null_mut()) })
    })
}

/// How many options there are.
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_option_count() -> usize {
    guard::value(0, || Some(OPTIONS.len()))
}

/// The name of an option, as `cldoci_options_set` takes it. In the environment it is `CLDOCI_<NAME>`.
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_option_name(index: usize) -> *const c_char {
    lend(index, |row| &row.name)
}

/// The type of an option: `bool`, `int`, `text`, `path`, `list`, `choice`, `secret` or `pairs`.
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_option_type(index: usize) -> *const c_char {
    lend(index, |row| &row.kind)
}

/// Where an option may be given: `client`, `call`, `both`, or `host` (`cldoci_options_set_host`).
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_option_scope(index: usize) -> *const c_char {
    lend(index, |row| &row.scope)
}

/// The values that an option may have: words separated by commas, or a range of numbers such as `1..64`. Empty
/// for free text.
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_option_values(index: usize) -> *const c_char {
    lend(index, |row| &row.values)
}

/// The default of an option, as text.
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_option_default(index: usize) -> *const c_char {
    lend(index, |row| &row.default)
}

/// What an option does, in one line.
#[unsafe(no_mangle)]
pub extern "C" fn cldoci_option_help(index: usize) -> *const c_char {
    lend(index, |row| &row.help)
}
