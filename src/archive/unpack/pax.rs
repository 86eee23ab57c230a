//! PAX extended header records (POSIX.1-2008 pax, "Extended Header"). Strict: what readers could take in two
//! ways is refused, nothing is skipped (T-43).

use crate::error::printable;

/// The records that mean something here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// Seconds and nanoseconds.
    pub(super) mtime: Option<(i64, u32)>,
}

/// Parses the body of an `x` header (or of a `g` header, which may not name or size an entry: T-44).
pub(super) fn parse(mut body: &[u8], global: bool) -> Result<Records, String> {
    let mut records = Records::default();
    let mut seen: Vec<&[u8]> = Vec::new();
    while !body.is_empty() {
        let (key, value, rest) = record(body).ok_or("a PAX record is malformed")?;
        body = rest;
        if seen.contains(&key) {
            return Err("a PAX key comes twice".to_owned());
        }
        seen.push(key);
        if seen.len() > RECORDS {
            return Err(format!("a PAX header has more than {RECORDS} records"));
        }
        if key.starts_with(b"GNU.sparse.") {
            return Err(format!("sparse files are not supported (the PAX key '{}')", printable(key)));
        }
        if global && matches!(key, b"path" | b"linkpath" | b"size" | b"hdrcharset") {
            return Err(format!("a global PAX header has the key '{}'", printable(key)));
        }
        match key {
            b"path" => records.path = Some(text(value)?),
            b"linkpath" => records.link = Some(text(value)?),
            b"size" => records.size = Some(decimal(value).ok_or("the PAX size is not a number")?),
            b"mtime" => records.mtime = Some(time(value).ok_or("the PAX mtime is not a time")?),
            b"hdrcharset" if [&b"BINARY"[..], b"ISO-IR 10646 2000 UTF-8"].contains(&value) => {}
            b"hdrcharset" => return Err("the PAX hdrcharset is not known".to_owned()),
            _ => {}
        }
    }
    Ok(records)
}

/// The most records of one header: checking for duplicates stays cheap.
const RECORDS: usize = 1000;

/// `LENGTH SPACE KEY = VALUE NEWLINE`, LENGTH over all of it in decimal.
fn record(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = body.iter().take(21).position(|&byte| byte == b' ')?;
    let length = usize::try_from(decimal(body.get(..space)?)?).ok()?;
    let rest = body.get(length..)?;
    let (newline, fields) = body.get(space + 1..length)?.split_last()?;
    let equals = fields.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (fields.get(..equals)?, fields.get(equals + 1..)?);
    (*newline == b'\n' && !key.is_empty() && !key.contains(&0)).then_some((key, value, rest))
}

/// A path's value, which is bytes even where it is not UTF-8, as GNU tar and Go write it (Q87). The name itself is
/// checked with all the others.
fn text(value: &[u8]) -> Result<Vec<u8>, String> {
    if value.is_empty() { Err("a PAX path is empty".to_owned()) } else { Ok(value.to_vec()) }
}

/// Digits only.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    i64::try_from(number).ok()?;
    Some(number)
}

/// `[-]SECONDS[.FRACTION]`; a fraction is cut at nanoseconds.
fn time(value: &[u8]) -> Option<(i64, u32)> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let point = value.iter().position(|&byte| byte == b'.');
    let seconds = i64::try_from(decimal(value.get(..point.unwrap_or(value.len()))?)?).ok()?;
    let mut nanoseconds: u32 = 0;
    if let Some(point) = point {
        let fraction = value.get(point + 1..)?;
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        for place in 0..9 {
            let digit = fraction.get(place).map_or(0, |digit| digit - b'0');
            nanoseconds = nanoseconds * 10 + u32::from(digit);
        }
    }
    match (negative, nanoseconds) {
        (false, _) => Some((seconds, nanoseconds)),
        (true, 0) => Some((-seconds, 0)),
        (true, _) => Some((-seconds - 1, 1_000_000_000 - nanoseconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_are_well_formed_are_read() {
        // The second record has a newline in its value: its length counts it.
        let body = b"12 path=a/b\n16 linkpath=x\ny\n13 size=2048\n22 mtime=-1.500000000\n15 comment=a=b\n";
        let records = parse(body, false).unwrap();
        assert_eq!(records.path.as_deref(), Some(&b"a/b"[..]));
        assert_eq!(records.link.as_deref(), Some(&b"x\ny"[..]));
        assert_eq!(records.size, Some(2048));
        assert_eq!(records.mtime, Some((-2, 500_000_000)));
        assert_eq!(parse(b"", false).unwrap(), Records::default());
        assert!(parse(b"20 comment=deadbeef\n", true).is_ok());
    }

    #[test]
    fn t_08_q87_a_path_that_is_not_utf8_is_its_bytes() {
        for body in [&b"21 hdrcharset=BINARY\n10 path=\xff\n"[..], b"10 path=\xff\n"] {
            assert_eq!(parse(body, false).unwrap().path.as_deref(), Some(&b"\xff"[..]));
        }
    }

    #[test]
    fn t_43_malformed_records_are_refused() {
        for (body, why) in [
            (&b"13 path=a/b\n"[..], "malformed"),
            (&b"11 path=a/b\n"[..], "malformed"),
            (&b"9 patha\n\n"[..], "malformed"),
            (&b"12 path=a/b "[..], "malformed"),
            (&b"0 path=a\n"[..], "malformed"),
            (&b"18446744073709551616 path=a\n"[..], "malformed"),
            (&b" path=a\n"[..], "malformed"),
            (&b"-1 path=a\n"[..], "malformed"),
            (&b"11 pa\0h=ab\n"[..], "malformed"),
            (&b"6 =ab\n"[..], "malformed"),
            (&b"10 path=a\n10 path=b\n"[..], "comes twice"),
            (&b"9 path=\n"[..], "malformed"),
            (&b"9 size=\n"[..], "malformed"),
            (&b"11 size=-1\n"[..], "size is not a number"),
            (&b"28 size=9223372036854775808\n"[..], "size is not a number"),
            (&b"15 mtime=1e400\n"[..], "mtime is not a time"),
            (&b"13 mtime=nan\n"[..], "mtime is not a time"),
            (&b"24 GNU.sparse.major=1\n\n"[..], "malformed"),
            (&b"22 GNU.sparse.major=1\n"[..], "sparse"),
            (&b"16 hdrcharset=x\n"[..], "hdrcharset"),
            (&b"\0\0\0\0"[..], "malformed"),
        ] {
            let said = parse(body, false).err().unwrap_or_default();
            assert!(said.contains(why), "{}: {said}", printable(body));
        }
    }

    #[test]
    fn t_44_a_global_header_may_not_name_or_size_an_entry() {
        for body in [&b"10 path=a\n"[..], b"14 linkpath=a\n", b"10 size=1\n"] {
            assert!(parse(body, true).unwrap_err().contains("global"));
            assert!(parse(body, false).is_ok());
        }
    }
}
