//! Oracle: a token that is taken fits one header line; what follows the first value changes nothing.

use cldoci::registry::fuzz::token;

pub fn run(data: &[u8]) {
    let Ok(header) = token(data) else { return };
    let value = header.strip_prefix(b"Bearer ").unwrap();
    assert!(!value.is_empty() && value.iter().all(u8::is_ascii_graphic), "{value:?}");
    assert_eq!(token(&[data, b"\n{\"token\":\"other\"} x"].concat()).as_deref(), Ok(header.as_slice()));
    let plain = serde_json::json!({"token": std::str::from_utf8(value).unwrap()}).to_string();
    assert_eq!(token(plain.as_bytes()).as_deref(), Ok(header.as_slice()));
}
