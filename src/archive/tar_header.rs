//! Deterministic tar headers: ustar, and a PAX header before it only for what ustar can't say.

/// The unit of a tar file.
pub(super) const RECORD: usize = 512;
/// The zero records that end a tar file.
pub(super) const END: usize = 2 * RECORD;
/// The largest size that ustar's eleven octal digits say.
const USTAR_SIZE_LIMIT: u64 = (1 << 33) - 1;
const NAME_LIMIT: usize = 100;
const PREFIX_LIMIT: usize = 155;
/// The name of a PAX header itself; a reader that knows PAX never shows it.
const PAX_NAME: &[u8] = b"././@PaxHeader";

/// What a header describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// A regular file.
    File { size: u64, executable: bool },
    /// A directory.
    Directory,
    /// A symbolic link with its text.
    Link(&'a [u8]),
}

/// Appends to `out` the header of the entry at `path`, which has no slash at either end.
pub(super) fn append(out: &mut Vec<u8>, path: &[u8], entry: Entry<'_>, mtime: u64) {
    let slash: &[u8] = if entry == Entry::Directory { b"/" } else { b"" };
    let path = [path, slash].concat();
    let target = match entry {
        Entry::Link(target) => target,
        _ => b"",
    };
    let size = match entry {
        Entry::File { size, .. } => size,
        _ => 0,
    };
    let split = split(&path);
    let mut records = Vec::new();
    if split.is_none() {
        record(&mut records, "path", &path);
    }
    if target.len() > NAME_LIMIT {
        record(&mut records, "linkpath", target);
    }
    if size > USTAR_SIZE_LIMIT {
        record(&mut records, "size", size.to_string().as_bytes());
    }
    if !records.is_empty() {
        let mut all = Vec::new();
        if std::str::from_utf8(&records).is_err() {
            // POSIX: without it, values are UTF-8.
            record(&mut all, "hdrcharset", b"BINARY");
        }
        all.append(&mut records);
        ustar(out, b"", PAX_NAME, b'x', 0o644, all.len() as u64, mtime, b"");
        out.extend_from_slice(&all);
        out.resize(out.len().next_multiple_of(RECORD), 0);
    }
    // What a reader without PAX sees: as much of the name and target as there is room for.
    let (prefix, name) = split.unwrap_or_else(|| (b"", cut(&path)));
    let (kind, mode) = match entry {
        Entry::File { executable: false, .. } => (b'0', 0o644),
        Entry::File { executable: true, .. } => (b'0', 0o755),
        Entry::Directory => (b'5', 0o755),
        Entry::Link(_) => (b'2', 0o777),
    };
    let said = if size > USTAR_SIZE_LIMIT { 0 } else { size };
    ustar(out, prefix, name, kind, mode, said, mtime, cut(target));
}

fn cut(name: &[u8]) -> &[u8] {
    let cut = name.get(..NAME_LIMIT).unwrap_or(name);
    // A file's name that is cut behind a slash would look like a directory's.
    if cut.len() < name.len() { cut.strip_suffix(b"/").unwrap_or(cut) } else { cut }
}

/// `path` as ustar's prefix and name, with the shortest prefix; `None` where it doesn't fit.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= NAME_LIMIT {
        return Some((b"", path));
    }
    let from = path.len() - NAME_LIMIT - 1;
    let at = from + path.get(from..)?.iter().position(|&byte| byte == b'/')?;
    let (prefix, name) = (path.get(..at)?, path.get(at + 1..)?);
    (!prefix.is_empty() && prefix.len() <= PREFIX_LIMIT && !name.is_empty()).then_some((prefix, name))
}

/// One PAX record, `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} {key}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Appends one ustar header: owner 0, no names.
#[expect(clippy::too_many_arguments, reason = "a header has that many fields")]
fn ustar(
    out: &mut Vec<u8>,
    prefix: &[u8],
    name: &[u8],
    kind: u8,
    mode: u32,
    size: u64,
    mtime: u64,
    target: &[u8],
) {
    let start = out.len();
    text(out, name, NAME_LIMIT);
    out.extend_from_slice(format!("{mode:07o}\0{0:07o}\0{0:07o}\0{size:011o}\0{mtime:011o}\0", 0).as_bytes());
    // The sum is taken over spaces in its own place.
    out.extend_from_slice(b"        ");
    out.push(kind);
    text(out, target, NAME_LIMIT);
    out.extend_from_slice(b"ustar\x0000");
    text(out, b"", 32 + 32);
    out.extend_from_slice(b"0000000\x000000000\0");
    text(out, prefix, PREFIX_LIMIT);
    out.resize(start + RECORD, 0);
    if let Some(header) = out.last_chunk_mut::<RECORD>() {
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        for (place, digit) in header[148..].iter_mut().zip(format!("{sum:06o}\0 ").bytes()) {
            *place = digit;
        }
    }
}

fn text(out: &mut Vec<u8>, value: &[u8], length: usize) {
    let end = out.len() + length;
    out.extend_from_slice(value);
    out.resize(end, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size: u64) -> Entry<'static> {
        Entry::File { size, executable: false }
    }

    fn header(path: &[u8], entry: Entry<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        append(&mut out, path, entry, 0);
        assert_eq!(out.len() % RECORD, 0);
        out
    }

    #[test]
    fn a_header_has_every_field_in_its_place() {
        let mut out = Vec::new();
        append(&mut out, b"bin/run", Entry::File { size: 8_589_934_591, executable: true }, 8_589_934_591);
        assert_eq!(out.len(), RECORD);
        assert_eq!(&out[..8], b"bin/run\0");
        assert_eq!(
            &out[100..156],
            b"0000755\x000000000\x000000000\x0077777777777\x0077777777777\x00010727\0 "
        );
        assert_eq!((out[156], &out[257..265]), (b'0', &b"ustar\x0000"[..]));
        assert!(out[265..329].iter().all(|&byte| byte == 0), "no owner's names");
        assert_eq!(&out[329..345], b"0000000\x000000000\0");
        let sum: u32 = out.iter().map(|&b| u32::from(b)).sum::<u32>()
            - out[148..156].iter().map(|&b| u32::from(b)).sum::<u32>()
            + 8 * 32;
        assert_eq!(format!("{sum:06o}"), "010727");
    }

    #[test]
    fn b_05_pax_appears_only_where_ustar_ends() {
        let name = |length| vec![b'n'; length];
        let deep = |prefix, length| [name(prefix), b"/".to_vec(), name(length)].concat();
        for (path, records) in [
            (name(100), 1),
            (name(101), 3),
            (deep(155, 100), 1),
            (deep(156, 100), 3),
            (deep(155, 101), 3),
            (deep(5000, 9), 12),
        ] {
            assert_eq!(header(&path, file(1)).len() / RECORD, records, "{} bytes", path.len());
        }
        // A directory's slash counts, and can't be the place where the name is split.
        assert_eq!(header(&name(99), Entry::Directory).len() / RECORD, 1);
        assert_eq!(header(&name(100), Entry::Directory).len() / RECORD, 3);
        assert_eq!(header(&deep(155, 99), Entry::Directory).len() / RECORD, 1);
        assert_eq!(header(b"l", Entry::Link(&name(100))).len() / RECORD, 1);
        assert_eq!(header(b"l", Entry::Link(&name(101))).len() / RECORD, 3);
        assert_eq!(header(b"f", file(USTAR_SIZE_LIMIT)).len() / RECORD, 1);
        assert_eq!(header(b"f", file(USTAR_SIZE_LIMIT + 1)).len() / RECORD, 3);
        assert_eq!(header(b"\xff\xfe", file(1)).len() / RECORD, 1, "ustar keeps any bytes");
    }

    #[test]
    fn pax_records_count_themselves() {
        for (length, start) in [(1, "6 k="), (4, "9 k="), (5, "11 k="), (93, "99 k="), (94, "101 k=")] {
            let mut out = Vec::new();
            record(&mut out, "k", &vec![b'v'; length]);
            assert!(out.starts_with(start.as_bytes()), "{}", String::from_utf8_lossy(&out));
            assert_eq!(start[..start.len() - 3].parse::<usize>().unwrap(), out.len());
        }
        let pax = header(&[0xff; 200], file(8_589_934_592));
        let records = "21 hdrcharset=BINARY\n";
        assert!(pax[RECORD..].starts_with(records.as_bytes()));
        assert!(pax[RECORD..2 * RECORD].ends_with(&[0; 200]));
    }
}
