//! One header block of 512 bytes: ustar, GNU and the old V7 form.

/// A tar block.
pub(super) const BLOCK: usize = 512;

/// A header's fields, not yet checked against the rules for entries.
#[derive(Debug)]
pub(super) struct Header {
    /// The name, prefix joined.
    pub(super) name: Vec<u8>,
    /// The link's target, empty where there is none.
    pub(super) link: Vec<u8>,
    pub(super) mode: u32,
    pub(super) size: u64,
    pub(super) mtime: i64,
    /// The type flag; NUL (V7's file) stays NUL.
    pub(super) flag: u8,
}

/// Parses a block that is not all zeros. The error says which rule it breaks.
pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Header, String> {
    check_sum(block)?;
    let flag = block[156];
    let ustar = match &block[257..265] {
        b"ustar\x0000" => true,
        b"ustar  \0" | b"\0\0\0\0\0\0\0\0" => false,
        _ => return Err("the magic and version fields are not of ustar, GNU or V7".to_owned()),
    };
    let mut name = text(&block[..100]).ok_or("the name field has bytes after its NUL")?.to_vec();
    if !ustar && block[345..500].iter().any(|&byte| byte != 0) {
        // Other fields of GNU dumps, nothing in V7; some readers take it for the prefix all the same.
        return Err("the prefix field is set and the header is not of ustar".to_owned());
    }
    if ustar {
        let prefix = text(&block[345..500]).ok_or("the prefix field has bytes after its NUL")?;
        if !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
    }
    let link = match flag {
        b'1' | b'2' => text(&block[157..257]).ok_or("the link field has bytes after its NUL")?.to_vec(),
        _ => Vec::new(),
    };
    // Not used, but at one that is no number some readers stop as if the archive had ended.
    let unused = [&block[108..116], &block[116..124], &block[329..337], &block[337..345]];
    if unused.iter().any(|field| number(field).is_none()) {
        return Err("an owner or device field is not a number".to_owned());
    }
    let size = number(&block[124..136]).and_then(|size| u64::try_from(size).ok());
    let mode = number(&block[100..108]).and_then(|mode| u64::try_from(mode).ok());
    Ok(Header {
        name,
        link,
        mode: (mode.ok_or("the mode field is not a number")? & 0o7777) as u32,
        size: size.ok_or("the size field is not a number of bytes")?,
        mtime: number(&block[136..148]).ok_or("the mtime field is not a number")?,
        flag,
    })
}

/// The sum of all bytes, the field itself taken as spaces; signed chars are accepted as GNU tar accepts them
/// (T-46).
fn check_sum(block: &[u8; BLOCK]) -> Result<(), String> {
    let field = &block[148..156];
    let spaces = field.iter().filter(|&&byte| byte == b' ' || byte == 0).count();
    let stated =
        octal(field).filter(|_| spaces < field.len()).ok_or("the header's checksum is not a number")?;
    let sum = |value: fn(u8) -> i64| -> i64 {
        let all: i64 = block.iter().map(|&byte| value(byte)).sum();
        all - field.iter().map(|&byte| value(byte)).sum::<i64>() + 8 * i64::from(b' ')
    };
    if stated == sum(i64::from) || stated == sum(|byte| i64::from(byte.cast_signed())) {
        Ok(())
    } else {
        Err("the header's checksum is wrong".to_owned())
    }
}

/// The bytes before the first NUL, after which all must be NUL: readers that stop there and readers that don't
/// must see the same (T-04).
fn text(field: &[u8]) -> Option<&[u8]> {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    let (text, rest) = field.split_at_checked(end)?;
    rest.iter().all(|&byte| byte == 0).then_some(text)
}

/// Octal digits, or base-256 where the first bit is set.
fn number(field: &[u8]) -> Option<i64> {
    match field.first()? {
        0x80 | 0xff => {
            let (first, rest) = field.split_first()?;
            let negative = *first == 0xff;
            let fill: u8 = if negative { 0xff } else { 0 };
            let (high, low) = rest.split_at_checked(rest.len().saturating_sub(8))?;
            if high.iter().any(|&byte| byte != fill) {
                return None;
            }
            let value = low
                .iter()
                .fold(i64::from(fill.cast_signed()), |value, &byte| value.wrapping_shl(8) | i64::from(byte));
            // Eight bytes can turn the sign round: that is an overflow.
            ((value < 0) == negative).then_some(value)
        }
        first if first & 0x80 != 0 => None,
        _ => octal(field),
    }
}

/// Octal digits between spaces and NULs; nothing but those is 0.
fn octal(field: &[u8]) -> Option<i64> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let field = field.get(start..)?;
    let end = field.iter().position(blank).unwrap_or(field.len());
    let (digits, rest) = field.split_at_checked(end)?;
    let mut value: i64 = 0;
    for digit in digits {
        match digit {
            b'0'..=b'7' => value = value.checked_mul(8)? + i64::from(digit - b'0'),
            _ => return None,
        }
    }
    rest.iter().all(blank).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_47_numbers() {
        for (field, want) in [
            (&b"00000000010\0"[..], Some(8)),
            (b"         10 ", Some(8)),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0", Some(0)),
            (b"00000000018\0", None),
            (b"1 1        \0", None),
            (b"-0000000001\0", None),
            (b"\x80\0\0\0\0\0\0\0\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None),
            (b"\xc0\0\0\0\0\0\0\0\0\0\0\0", None),
        ] {
            assert_eq!(number(field), want, "{field:?}");
        }
    }

    #[test]
    fn t_46_a_header_with_one_bit_flipped_is_refused_or_means_the_same() {
        let mut good = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| good[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"bin/run");
        put(100, b"0000755\x000001750\x000001750\x0000000000012\x0014371573000\0        2");
        put(157, b"../target");
        put(257, b"ustar\x0000root");
        put(329, b"0000000\x000000000\0usr");
        let sum: u32 = good.iter().map(|&byte| u32::from(byte)).sum();
        good[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let wanted = format!("{:?}", parse(&good).unwrap());
        let mut accepted = 0;
        for bit in 0..8 * BLOCK {
            let mut bent = good;
            bent[bit / 8] ^= 1 << (bit % 8);
            match parse(&bent) {
                Ok(header) => {
                    // Of the checksum's own blanks and leading zero.
                    assert!((148..156).contains(&(bit / 8)), "bit {bit}");
                    assert_eq!(format!("{header:?}"), wanted, "bit {bit}");
                    accepted += 1;
                }
                Err(why) => assert!(why.contains("checksum"), "bit {bit}: {why}"),
            }
        }
        assert!(accepted <= 3, "{accepted}");
    }

    #[test]
    fn t_04_a_field_is_not_cut_at_its_nul() {
        assert_eq!(text(b"abc"), Some(&b"abc"[..]));
        assert_eq!(text(b"abc\0\0"), Some(&b"abc"[..]));
        assert_eq!(text(b"a\0../../b\0"), None);
    }
}
