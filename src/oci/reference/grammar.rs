//! The grammar of a reference's parts; an error says which part is wrong and why.

use crate::error::{Error, Kind, Result, printable};

pub(super) fn bad(why: impl Into<String>) -> Error {
    Error::new(Kind::Argument, why)
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (distribution-spec).
pub fn check_tag(tag: &str) -> Result<()> {
    if tag.is_empty() {
        return Err(bad("invalid tag '': empty"));
    }
    if tag.len() > 128 {
        return Err(bad(format!("invalid tag '{}': {} characters, at most 128", printable(tag), tag.len())));
    }
    for (at, c) in tag.char_indices() {
        let word = c.is_ascii_alphanumeric() || c == '_';
        if !(word || at > 0 && matches!(c, '.' | '-')) {
            return Err(bad(format!(
                "invalid tag '{}': character '{}'{}",
                printable(tag),
                printable(c.to_string()),
                if at == 0 && matches!(c, '.' | '-') { " at its start" } else { "" }
            )));
        }
    }
    Ok(())
}

/// A name in a layout's `org.opencontainers.image.ref.name` (image-spec, annotations.md): wider than a tag.
pub(super) fn check_ref_name(name: &str) -> Result<()> {
    let ok = |c: char| c.is_ascii_alphanumeric() || "-._:@/+".contains(c);
    if name.is_empty()
        || name.len() > 255
        || !name.chars().all(ok)
        || !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    {
        return Err(bad(format!(
            "invalid tag '{}' of a layout: a letter, a digit or '_', then these or any of -.:@/+, at most 255",
            printable(name)
        )));
    }
    Ok(())
}

/// `algorithm ":" encoded` (image-spec, descriptor.md); whether it is whole is asked where it is used.
pub(super) fn check_digest_grammar(text: &str) -> Result<()> {
    let component = |part: &str| !part.is_empty() && part.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9'));
    let whole = text.split_once(':').is_some_and(|(algorithm, encoded)| {
        algorithm.split(['+', '.', '_', '-']).all(component)
            && !encoded.is_empty()
            && encoded.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '=' | '_' | '-'))
    });
    if whole {
        Ok(())
    } else {
        Err(bad(format!("invalid digest '{}': must be algorithm:hex", printable(text))))
    }
}

/// A host name, an IPv4 address or a bracketed IPv6 address, with an optional port.
pub(super) fn check_domain(domain: &str) -> Result<()> {
    let wrong = |why: &str| bad(format!("invalid registry '{}': {why}", printable(domain)));
    let (host, port) = if let Some(rest) = domain.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or_else(|| wrong("'[' without a ']'"))?;
        address.parse::<std::net::Ipv6Addr>().map_err(|_| wrong("no IPv6 address in the brackets"))?;
        match rest.strip_prefix(':') {
            Some(port) => ("", Some(port)),
            None if rest.is_empty() => ("", None),
            None => return Err(wrong("only a port may follow the ']'")),
        }
    } else {
        match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, None),
        }
    };
    if let Some(port) = port
        && (port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err())
    {
        return Err(wrong("the port must be a number up to 65535"));
    }
    if host.is_empty() {
        return if domain.starts_with('[') { Ok(()) } else { Err(wrong("missing host")) };
    }
    for label in host.split('.') {
        let inner = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if label.is_empty() || !inner || label.starts_with('-') || label.ends_with('-') {
            return Err(wrong("not a host name"));
        }
    }
    Ok(())
}

/// Path components of `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` (distribution-spec).
pub(super) fn check_repository(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(bad("invalid repository '': empty"));
    }
    for component in name.split('/') {
        let wrong = |why: String| bad(format!("invalid repository '{}': {why}", printable(name)));
        if component.is_empty() {
            return Err(wrong("empty part".to_owned()));
        }
        let alnum = |c: char| matches!(c, 'a'..='z' | '0'..='9');
        if let Some(c) = component.chars().find(|c| !alnum(*c) && !matches!(c, '.' | '_' | '-')) {
            let hint = if c.is_ascii_uppercase() { " (must be lower case)" } else { "" };
            return Err(wrong(format!("character '{}'{hint}", printable(c.to_string()))));
        }
        if !component.starts_with(alnum) || !component.ends_with(alnum) {
            return Err(wrong(format!(
                "the part '{}' must begin and end with a letter or a digit",
                printable(component)
            )));
        }
        for separator in component.split(alnum).filter(|s| !s.is_empty()) {
            if !matches!(separator, "." | "_" | "__") && !separator.chars().all(|c| c == '-') {
                return Err(wrong(format!("separator '{separator}'")));
            }
        }
    }
    Ok(())
}
