//! Makes Rust and documentation from the table of options, and the C header from `src/ffi`; compares what is checked
//! in with it; sets what the shared library is called. The source tree is only written with `CLDOCI_HEADER=write`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "src/ffi/generate.rs"]
mod interface;
#[path = "src/options/generate.rs"]
mod options;
#[allow(dead_code, unreachable_pub, reason = "the crate uses the rest")]
#[path = "src/options/table.rs"]
mod table;

/// The setters of options, which are made from the table.
const SETTERS: &str = "options/setters";

/// The files of verbs, each of which gets a `_start` form.
const VERBS: [&str; 3] = ["verbs", "verbs/read", "verbs/login"];

/// The header's sections, in the order in which a program needs them, and the files they come from.
const SECTIONS: &[(&str, &[&str])] = &[
    ("Handles", &["types"]),
    ("Status", &["status"]),
    ("Errors", &["error"]),
    ("Versions", &["version"]),
    ("Progress and counters", &["progress"]),
    ("Callbacks", &["callback", "log", "credential"]),
    ("Options", &["options", SETTERS, "options/list"]),
    ("References", &["reference"]),
    ("The client and its verbs", &["client", "verbs", "verbs/read", "verbs/login"]),
    ("Results", &["result", "result/lists"]),
    ("Operations", &["operation"]),
    ("Artifacts", &["artifact"]),
    ("Configs", &["config"]),
    ("Artifacts by hand", &["builder"]),
    ("Ending", &["idle"]),
    ("Finding leaks", &["debug"]),
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    for input in ["build.rs", "cbindgen.toml", "src/ffi", "src/options", "include", "docs/options.md"] {
        println!("cargo:rerun-if-changed={input}");
    }
    println!("cargo:rerun-if-env-changed=CLDOCI_HEADER");

    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("option_settings.rs"), options::settings())?;
    fs::write(out.join("option_setters.rs"), interface::setters())?;
    check(&root.join("docs/options.md"), &options::page())?;
    for file in VERBS {
        let source = fs::read_to_string(root.join(format!("src/ffi/{file}.rs")))?;
        let (forms, _) = interface::start_forms(&source)?;
        fs::write(out.join(file.replace('/', "_") + "_start.rs"), forms)?;
    }

    let header = header(&root, &out)?;
    let mut symbols: Vec<_> = interface::functions(&header).into_iter().map(|f| f.name).collect();
    symbols.sort_unstable();
    let symbols = symbols.join("\n") + "\n";
    let list = interface::json(&header, false);
    let declarations = declarations(&header);
    let made = [
        ("cldoci.h", &header),
        ("cldoci.ffi.h", &declarations),
        ("cldoci.symbols", &symbols),
        ("cldoci.json", &list),
    ];
    for (name, text) in made {
        fs::write(out.join(name), text)?;
        check(&root.join("include").join(name), text)?;
    }
    // With the comments, for the tests that read them.
    fs::write(out.join("functions.json"), interface::json(&header, true))?;

    println!("cargo:rustc-env=CLDOCI_TARGET={}", env::var("TARGET")?);
    if env::var("CARGO_CFG_TARGET_OS")? == "linux" {
        let abi = interface::constants(&header).find(|(name, _)| *name == "CLDOCI_ABI_VERSION");
        let (_, abi) = abi.ok_or("the header has no CLDOCI_ABI_VERSION")?;
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcldoci.so.{abi}");
        // Threads and thread-local data of ours must outlive a dlclose.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    Ok(())
}

/// The whole header.
fn header(root: &Path, out: &Path) -> Result<String, Box<dyn Error>> {
    let config = cbindgen::Config::from_root_or_default(root);
    let mut text = fs::read_to_string(root.join("src/ffi/preamble.h"))?;
    // In a directory of its own: cbindgen takes the modules of a file for files beside it.
    fs::create_dir_all(out.join("header"))?;
    let alone = out.join("header/alone.rs");
    for (title, files) in SECTIONS {
        text.push_str(&format!("\n/* {title} {} */\n", "-".repeat(103 - title.len())));
        if *title == "Versions" {
            text.push_str(&version_macros()?);
        }
        for file in *files {
            let mut source = match *file {
                SETTERS => fs::read_to_string(out.join("option_setters.rs"))?,
                _ => fs::read_to_string(root.join(format!("src/ffi/{file}.rs")))?,
            };
            if VERBS.contains(file) {
                source = interface::start_forms(&source)?.1;
            }
            fs::write(&alone, source)?;
            let bindings =
                cbindgen::Builder::new().with_config(config.clone()).with_src(&alone).generate()?;
            let mut part = Vec::new();
            bindings.write(&mut part);
            text.push('\n');
            text.push_str(String::from_utf8(part)?.trim());
            text.push('\n');
        }
    }
    text.push_str("\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* CLDOCI_H */\n");
    Ok(one_line_comments(&text))
}

/// The header's declarations alone, for readers of C that have no preprocessor: constants as enums of one type.
fn declarations(header: &str) -> String {
    let mut text = String::from(
        "/* What cldoci.h declares, without directives: for cffi, LuaJIT and PHP. cldoci.h explains it. */\n\n",
    );
    let mut lines = header.lines();
    let mut constants = Vec::new();
    while let Some(line) = lines.next() {
        // A comment at a line's begin, or of one member.
        if line.trim_start().starts_with("/*") {
            if !line.ends_with("*/") {
                lines.by_ref().find(|line| line.ends_with("*/"));
            }
        } else if let Some(define) = line.strip_prefix("#define ") {
            let number = define.split_once(' ').filter(|(name, number)| {
                !name.contains('(') && (number.starts_with("0x") || number.parse::<i32>().is_ok())
            });
            constants.extend(number.map(|(name, number)| format!("  {name} = {number}")));
            let mut continued = line;
            while continued.ends_with('\\') {
                continued = lines.next().unwrap_or_default();
            }
        } else if !line.starts_with('#') && !line.is_empty() && line != "}" && line != "extern \"C\" {" {
            if !constants.is_empty() {
                text.push_str(&format!("enum {{\n{}\n}};\n", constants.join(",\n")));
                constants.clear();
            }
            text.push_str(line);
            text.push('\n');
        }
    }
    if !constants.is_empty() {
        text.push_str(&format!("enum {{\n{}\n}};\n", constants.join(",\n")));
    }
    text
}

/// The version's macros, from the one place that says it.
fn version_macros() -> Result<String, Box<dyn Error>> {
    let part =
        |name| -> Result<u32, Box<dyn Error>> { Ok(env::var(format!("CARGO_PKG_VERSION_{name}"))?.parse()?) };
    let (major, minor, patch) = (part("MAJOR")?, part("MINOR")?, part("PATCH")?);
    Ok(format!(
        "
/** The version of this header: its first number. */
#define CLDOCI_VERSION_MAJOR {major}
/** Its second. */
#define CLDOCI_VERSION_MINOR {minor}
/** Its third. */
#define CLDOCI_VERSION_PATCH {patch}
/** All three, as text. */
#define CLDOCI_VERSION_STRING \"{major}.{minor}.{patch}\"
/** The same in one number, 0xMMNNPP, for comparisons. */
#define CLDOCI_VERSION_NUMBER 0x{major:02x}{minor:02x}{patch:02x}
/** Whether this header is of that version or a later one. */
#define CLDOCI_VERSION_AT_LEAST(major, minor, patch) \\
  (CLDOCI_VERSION_NUMBER >= ((major) * 0x10000 + (minor) * 0x100 + (patch)))
"
    ))
}

/// A comment of one line before a constant is written on one line, and without an empty line behind it.
fn one_line_comments(header: &str) -> String {
    let lines: Vec<&str> = header.lines().collect();
    let mut text = String::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        match lines.get(at..at + 4) {
            Some(["/**", comment, " */", define]) if define.starts_with("#define") => {
                text.push_str(&format!("/** {} */\n{define}\n", comment.trim_start_matches(" * ")));
                at += if lines.get(at + 4..at + 6) == Some(&["", "/**"]) { 5 } else { 4 };
            }
            _ => {
                text.push_str(line);
                text.push('\n');
                at += 1;
            }
        }
    }
    text
}

/// Compares a generated file with the one that is checked in.
fn check(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    if fs::read_to_string(path).is_ok_and(|old| old == *text) {
        return Ok(());
    }
    let stale = format!("{} is stale: run  CLDOCI_HEADER=write cargo build", path.display());
    match env::var("CLDOCI_HEADER").as_deref() {
        Ok("write") => {
            fs::create_dir_all(path.parent().ok_or("a file has a directory")?)?;
            Ok(fs::write(path, text)?)
        }
        Ok("check") => Err(stale.into()),
        _ => {
            println!("cargo:warning={stale}");
            Ok(())
        }
    }
}
