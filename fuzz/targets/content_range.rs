//! Oracle: a `Content-Range` that is taken for a part says in digits exactly what that part is.

use cldoci::registry::fuzz::is_range;

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let plain = |text: &str| {
        let digits = text.trim().trim_start_matches('0');
        if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
    };
    let words: Vec<u64> =
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    let numbers = || words.iter().copied().chain([0, 1, 100, u64::MAX]);
    for start in numbers().take(4) {
        for last in numbers().take(4) {
            for size in numbers().take(5) {
                let Some(end) = last.checked_add(1) else {
                    assert!(!is_range(text, start, last, size) || last > 0);
                    continue;
                };
                if !is_range(text, start, end, size) {
                    continue;
                }
                let (span, total) = text.strip_prefix("bytes ").unwrap().split_once('/').unwrap();
                let (first, through) = span.split_once('-').unwrap();
                assert_eq!((plain(first), plain(through)), (start.to_string(), last.to_string()), "{text:?}");
                assert!(total.trim() == "*" || plain(total) == size.to_string(), "{text:?}");
            }
        }
    }
    let (start, end) = (words.first().copied().unwrap_or(3), words.get(1).copied().unwrap_or(9).max(1));
    assert!(is_range(&format!("bytes {start}-{}/{end}", end - 1), start, end, end));
    assert!(!is_range(&format!("bytes {start}-{}/{end}", end - 1), start, end, end.wrapping_add(1)));
}
