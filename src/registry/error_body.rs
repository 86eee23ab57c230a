//! What a server says in the body of an answer that is no success: a registry's list of errors, an OAuth2 or a plain
//! JSON error, the XML of storage, or a line of text. Bounded, one line, control characters escaped.

use base64::Engine as _;
use http::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::{RegistryError, is_unprintable, printable};

/// The longest quote.
const LIMIT: usize = 400;
/// The most errors of a list that are kept.
const LISTED: usize = 32;
/// The longest detail of one of them, in bytes of JSON.
const DETAIL_LIMIT: usize = 4096;

/// A server's own words.
#[derive(Debug, Default)]
pub(crate) struct ErrorBody {
    /// It is the list of errors that the specification has.
    pub(crate) is_registrys: bool,
    /// That list, the codes as they came.
    pub(crate) errors: Vec<RegistryError>,
    /// For people; empty where it says nothing.
    pub(crate) text: String,
}

#[derive(Deserialize)]
struct Envelope {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    detail: Value,
}

impl ErrorBody {
    pub(crate) fn of(content_type: &str, body: &[u8]) -> Self {
        if let Some(said) = serde_json::from_slice::<Envelope>(body).ok().and_then(registrys) {
            return said;
        }
        let text = of_json(body).or_else(|| of_xml(body)).or_else(|| {
            let plain = content_type.to_ascii_lowercase().starts_with("text/plain");
            let line =
                body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).find(|line| !line.is_empty());
            line.filter(|_| plain).map(printable)
        });
        Self { text: short(text.unwrap_or_default()), ..Self::default() }
    }
}

fn registrys(envelope: Envelope) -> Option<ErrorBody> {
    let text = envelope.errors.first().map(in_words)?;
    let errors = envelope.errors.iter().take(LISTED).map(listed).collect();
    Some(ErrorBody { is_registrys: true, errors, text: short(text) })
}

fn listed(entry: &Entry) -> RegistryError {
    let detail = (entry.detail != Value::Null).then(|| one_line(&entry.detail));
    RegistryError {
        code: plain(&entry.code),
        message: printable(plain(&entry.message)),
        detail: detail.filter(|detail| detail.len() <= DETAIL_LIMIT),
    }
}

/// JSON of the same value, with escapes for what has no place in a line; it can stand in a text alone.
fn one_line(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        match is_unprintable(c) {
            true => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => text.push(c),
        }
    }
    text
}

/// `CODE: message: detail`, as far as they are there and say something of their own.
fn in_words(entry: &Entry) -> String {
    let mut words: Vec<String> = Vec::new();
    for part in [&entry.code, &entry.message, &entry.detail] {
        let part = plain(part);
        if !part.is_empty() && !words.iter().any(|word| word.contains(&part)) {
            words.push(printable(part));
        }
    }
    words.join(": ")
}

/// A text as it is, what is no text as JSON, and nothing for what is empty.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) if all.is_empty() => String::new(),
        Value::Object(all) if all.is_empty() => String::new(),
        other => other.to_string(),
    }
}

/// OAuth2's `error` and `error_description` (RFC 6749 5.2), and what token servers and gateways have beside it.
fn of_json(body: &[u8]) -> Option<String> {
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else { return None };
    let mut words: Vec<String> = Vec::new();
    for name in ["error", "error_description", "message", "details", "detail", "errors"] {
        let said = match object.get(name) {
            Some(Value::Object(inner)) => inner.get("message").map(plain).unwrap_or_default(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(all)) => all.first().map(plain).unwrap_or_default(),
            _ => String::new(),
        };
        if !said.is_empty() && !words.iter().any(|word| word.contains(&said)) {
            words.push(printable(said));
        }
    }
    (!words.is_empty()).then(|| words.join(": "))
}

/// S3's and Azure's `<Code>` and `<Message>`.
fn of_xml(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.trim_start().starts_with('<'))?;
    let element = |name: &str| {
        let inner = text.split_once(&format!("<{name}>"))?.1.split_once(&format!("</{name}>"))?.0;
        let line = inner.lines().next().unwrap_or_default().trim();
        (!line.is_empty()).then(|| printable(line))
    };
    let code = element("Code")?;
    Some(element("Message").map_or_else(|| code.clone(), |message| format!("{code}: {message}")))
}

fn short(mut text: String) -> String {
    if text.len() > LIMIT {
        let end = (0..=LIMIT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// Whether a text shows the credential that was sent, as it is or behind JSON's or a header's escapes: a server that sends
/// it back is not quoted.
pub(crate) fn shows_credential(text: &[u8], authorization: &HeaderValue) -> bool {
    let unescaped: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'\\').collect();
    [text, &unescaped].into_iter().any(|text| shows(text, authorization))
        || serde_json::from_slice(text).is_ok_and(|json| has_text(&json, authorization))
}

/// Whether a text of it shows the credential.
fn has_text(json: &Value, authorization: &HeaderValue) -> bool {
    match json {
        Value::String(text) => shows(text.as_bytes(), authorization),
        Value::Array(all) => all.iter().any(|item| has_text(item, authorization)),
        Value::Object(all) => all
            .iter()
            .any(|(name, item)| shows(name.as_bytes(), authorization) || has_text(item, authorization)),
        _ => false,
    }
}

fn shows(text: &[u8], authorization: &HeaderValue) -> bool {
    /// Shorter passwords stand in any text by chance.
    const SHORT: usize = 4;
    let shows =
        |secret: &[u8]| secret.len() >= SHORT && text.windows(secret.len()).any(|part| part == secret);
    let Some((scheme, sent)) = authorization.to_str().ok().and_then(|value| value.split_once(' ')) else {
        return false;
    };
    let password = || {
        let decoded = base64::engine::general_purpose::STANDARD.decode(sent).map(Zeroizing::new).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        Some(shows(decoded.get(colon + 1..)?))
    };
    shows(sent.as_bytes()) || (scheme == "Basic" && password().unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_a_credential_is_told() {
        // u:canary
        let basic = HeaderValue::from_static("Basic dTpjYW5hcnk=");
        let bearer = HeaderValue::from_static("Bearer canary.x");
        for (text, header) in [
            ("your header was Basic dTpjYW5hcnk=", &basic),
            ("password canary is wrong", &basic),
            ("{\"token\":\"canary.x\"}", &bearer),
        ] {
            assert!(shows_credential(text.as_bytes(), header), "{text}");
        }
        for (text, header) in [("canar", &basic), ("", &basic), ("user u", &basic), ("canary", &bearer)] {
            assert!(!shows_credential(text.as_bytes(), header), "{text}");
        }
        // u:p&ss"1/, as Go and PHP escape it, and as a header does.
        let odd = HeaderValue::from_static("Basic dTpwJnNzIjEv");
        for text in [r#"{"message":"p\u0026ss\"1/ is wrong"}"#, r#"p&ss\"1/"#, r#"[{"a":["p&ss\"1\/"]}]"#] {
            assert!(shows_credential(text.as_bytes(), &odd), "{text}");
        }
        assert!(!shows_credential(br#"{"message":"p\u0026s is wrong"}"#, &odd));
        // u:a
        assert!(!shows_credential(b"a password", &HeaderValue::from_static("Basic dTph")));
    }

    #[test]
    fn servers_are_heard_in_their_own_words() {
        for (body, want) in [
            (r#"{"errors":[{"code":"A","message":"b"}]}"#, "A: b"),
            (r#"{"errors":[{"code":"A","message":"b","detail":"b"}]}"#, "A: b"),
            (
                r#"{"errors":[{"code":"A","message":"b","detail":{"reason":"not allowed"}}]}"#,
                r#"A: b: {"reason":"not allowed"}"#,
            ),
            (r#"{"errors":[{"code":"A","message":null,"detail":[]}]}"#, "A"),
            (r#"{"errors":[{"message":"b\nc"}]}"#, r"b\nc"),
            (
                r#"{"error":"invalid_scope","error_description":"unknown scope"}"#,
                "invalid_scope: unknown scope",
            ),
            (r#"{"error":{"message":"quota"}}"#, "quota"),
            (r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
            (r#"{"message":"no"}"#, "no"),
            (
                "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
                "AccessDenied: Request has expired",
            ),
            ("\u{feff}<Error><Code>A</Code>", ""),
            ("<html><body>gateway</body></html>", ""),
            ("[]", ""),
            ("{}", ""),
            (r#"{"errors":[]}"#, ""),
            ("", ""),
        ] {
            assert_eq!(ErrorBody::of("application/json", body.as_bytes()).text, want, "{body}");
        }
        assert_eq!(
            ErrorBody::of("text/plain; charset=utf-8", b"\n reqPackageAccess\r\nmore").text,
            "reqPackageAccess"
        );
        let long = ErrorBody::of("text/plain", "é".repeat(9_000).as_bytes()).text;
        assert!(long.len() < 300 && long.ends_with("..."), "{}", long.len());
        let many = format!(
            r#"{{"errors":[{{"code":"{0}","message":"{1}","detail":"{2}"}}]}}"#,
            "a".repeat(900),
            "b".repeat(900),
            "c".repeat(900)
        );
        assert!(ErrorBody::of("", many.as_bytes()).text.len() <= LIMIT + 3);
    }
}
