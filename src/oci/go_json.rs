//! JSON as Go's `encoding/json` reads it into a struct: so docker and podman read the files and answers that hold
//! credentials (Q127). Names count without regard to case; an object that stands twice is one, in which the last value of
//! a key counts; null changes nothing; what follows the first value is not read. Messages never quote the text. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::json_edit::{Member, Object};

/// What is wrong, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) line: usize,
    pub(crate) why: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

type Result<T> = std::result::Result<T, Wrong>;

/// A text whose first value is an object or null.
pub(crate) struct Document {
    text: Zeroizing<String>,
    /// Where the first value begins, and where it ends.
    value: Range<usize>,
}

/// The members of an object, as they stand.
pub(crate) struct Fields<'a> {
    text: &'a str,
    members: Vec<Member>,
}

fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

fn wrong(text: &str, at: usize, why: impl Into<String>) -> Wrong {
    Wrong { line: line(text, at), why: why.into() }
}

/// Whether a key means the field, as Go compares them: two letters beyond ASCII are small ones' capitals.
fn means(key: &str, name: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(name.chars().map(fold))
}

/// A string's text; half of a surrogate pair is read as Go reads it.
fn string(raw: &str) -> Option<String> {
    if let Ok(text) = serde_json::from_str(raw) {
        return Some(text);
    }
    let mut whole = Zeroizing::new(String::with_capacity(raw.len()));
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        whole.push_str(before);
        let pair = |from: usize| -> Option<u32> {
            let hex = escape.get(from..from + 6)?.strip_prefix("\\u")?;
            u32::from_str_radix(hex, 16).ok()
        };
        let (length, lone) = match (pair(0), pair(6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, false),
            (Some(0xd800..=0xdfff), _) => (6, true),
            (Some(_), _) => (6, false),
            (None, _) => (2, false),
        };
        whole.push_str(if lone { "\u{fffd}" } else { escape.get(..length)? });
        rest = escape.get(length..)?;
    }
    whole.push_str(rest);
    serde_json::from_str(&whole).ok()
}

impl Document {
    /// Reads the first value; `None` where there is none.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>> {
        let first = |why: &str| Err(Wrong { line: 1, why: why.to_owned() });
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return first("it begins with a byte order mark (BOM): save it as UTF-8 without one");
        }
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return first("it is UTF-16, by its byte order mark (BOM): save it as UTF-8");
        }
        // What is no UTF-8 is read as Go reads it.
        let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
        let start = text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len();
        if start == text.len() {
            return Ok(None);
        }
        let rest = text.get(start..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                let line = line(&text, start) + error.line().saturating_sub(1);
                let why = if error.is_eof() { "it ends in the middle of JSON" } else { "not JSON" };
                return Err(Wrong { line, why: format!("{why} (column {})", error.column()) });
            }
            None => return Ok(None),
        }
        let value = start..start + values.byte_offset();
        if !rest.starts_with('{') && text.get(value.clone()) != Some("null") {
            return Err(wrong(&text, start, "not an object"));
        }
        Ok(Some(Self { text, value }))
    }

    /// Its members; null has none.
    pub(crate) fn fields(&self) -> Result<Fields<'_>> {
        Fields::at(&self.text, self.value.clone())
    }

    /// Where something follows the first value.
    pub(crate) fn more(&self) -> Option<Wrong> {
        let rest = self.text.get(self.value.end..)?;
        let at = rest.find(|c: char| !c.is_ascii_whitespace())?;
        Some(wrong(&self.text, self.value.end + at, "text follows the end of the object"))
    }
}

impl<'a> Fields<'a> {
    fn at(text: &'a str, value: Range<usize>) -> Result<Self> {
        if text.get(value.clone()) == Some("null") {
            return Ok(Self { text, members: Vec::new() });
        }
        let object = Object::read(text, value.start)
            .filter(|_| text.get(value.start..).is_some_and(|v| v.starts_with('{')));
        let members = object.ok_or_else(|| wrong(text, value.start, "an object is expected"))?.members;
        Ok(Self { text, members })
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &Member> {
        self.members
            .iter()
            .filter(move |member| means(&member.key, name))
            .filter(|member| self.raw(member) != "null")
    }

    fn raw(&self, member: &Member) -> &'a str {
        self.text.get(member.value.clone()).unwrap_or_default()
    }

    /// The last value of a field that is not null, as it stands.
    pub(crate) fn last(&self, name: &str) -> Option<&'a str> {
        self.values(name).last().map(|member| self.raw(member))
    }

    /// The text of a field; empty where it is absent.
    pub(crate) fn text(&self, name: &str) -> Result<String> {
        self.values(name).try_fold(String::new(), |_, member| self.string(member))
    }

    fn string(&self, member: &Member) -> Result<String> {
        let raw = self.raw(member);
        let text = if raw.starts_with('"') { string(raw) } else { None };
        text.ok_or_else(|| wrong(self.text, member.value.start, "a text is expected"))
    }

    /// The members of a field's object, however often it stands: null empties it.
    fn map(&self, name: &str) -> Result<BTreeMap<String, Member>> {
        let mut map = BTreeMap::new();
        for member in self.members.iter().filter(|member| means(&member.key, name)) {
            if self.raw(member) == "null" {
                map.clear();
            }
            for inner in Self::at(self.text, member.value.clone())?.members {
                map.insert(inner.key.clone(), inner);
            }
        }
        Ok(map)
    }

    /// A map of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let text = |member: &Member| match self.raw(member) {
            "null" => Ok(String::new()),
            _ => self.string(member),
        };
        self.map(name)?.into_iter().map(|(key, member)| Ok((key, text(&member)?))).collect()
    }

    /// A map of objects.
    pub(crate) fn objects(&self, name: &str) -> Result<BTreeMap<String, Fields<'a>>> {
        let at = |member: Member| Self::at(self.text, member.value);
        self.map(name)?.into_iter().map(|(key, member)| Ok((key, at(member)?))).collect()
    }

    /// Where a key stands a second time, or in a second spelling. In the objects `maps`, keys are data: there, and in
    /// what they hold, they are looked at too, and their spelling counts.
    pub(crate) fn twice(&self, maps: &[&str]) -> Option<Wrong> {
        let own = self.repeated(means);
        let below = maps.iter().flat_map(|name| self.values(name)).find_map(|member| {
            let map = Self::at(self.text, member.value.clone()).ok()?;
            let inner = |member: &Member| Self::at(self.text, member.value.clone()).ok()?.twice(&[]);
            map.repeated(|one, other| one == other).or_else(|| map.members.iter().find_map(inner))
        });
        own.or(below)
    }

    fn repeated(&self, same: impl Fn(&str, &str) -> bool) -> Option<Wrong> {
        self.members.iter().enumerate().find_map(|(n, member)| {
            let before = self.members.iter().take(n).find(|before| same(&before.key, &member.key))?;
            let first = line(self.text, before.value.start);
            Some(wrong(
                self.text,
                member.value.start,
                format!("a key stands a second time (the first is in line {first})"),
            ))
        })
    }

    /// How a field's key is spelled, where it is there.
    pub(crate) fn spelling(&self, name: &str) -> Option<&str> {
        self.members.iter().map(|member| member.key.as_str()).find(|key| means(key, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Document {
        Document::read(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn names_count_without_regard_to_case_and_the_last_value_counts() {
        let text =
            r#"{"Token":"a","TOKEN":"b","to\u212aen":"c","token":null,"other":[1e999,{"x":"\ud800"}]}"#;
        let document = read(text);
        let fields = document.fields().unwrap();
        assert_eq!(fields.text("token").unwrap(), "c");
        assert_eq!(fields.text("absent").unwrap(), "");
        assert_eq!(fields.last("OTHER"), Some(r#"[1e999,{"x":"\ud800"}]"#));
        assert_eq!(fields.text("other").unwrap_err().to_string(), "line 1: a text is expected");
        assert_eq!(fields.spelling("token"), Some("Token"));
        assert!(means("acce\u{17f}\u{17f}", "access") && !means("acces", "access"));
    }

    #[test]
    fn objects_that_stand_twice_are_one() {
        let text = r#"{"auths":{"a":{"x":"1"},"b":{}},"AUTHS":{"a":{"y":"2"}},"h":{"k":"1"},"h":null,"h":{"l":null}}"#;
        let document = read(text);
        let fields = document.fields().unwrap();
        let objects = fields.objects("auths").unwrap();
        assert_eq!(objects.keys().collect::<Vec<_>>(), ["a", "b"]);
        // What a key of a map has is replaced, not joined.
        let of = |name: &str| objects["a"].text(name).unwrap();
        assert_eq!((of("x"), of("y")), (String::new(), "2".to_owned()));
        let texts: Vec<_> = fields.texts("h").unwrap().into_iter().collect();
        assert_eq!(texts, [("l".to_owned(), String::new())]);
        assert!(fields.objects("h").is_ok());
        for wrong in [r#"{"auths":[]}"#, r#"{"auths":{"a":"x"}}"#, r#"{"auths":5}"#] {
            assert!(read(wrong).fields().unwrap().objects("auths").is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_the_first_value_is_read() {
        let document = read(" \n{\"a\":\"1\"}\n\n  more {");
        assert_eq!(document.fields().unwrap().text("a").unwrap(), "1");
        assert_eq!(document.more().unwrap().to_string(), "line 4: text follows the end of the object");
        assert_eq!(read("{} \r\n\t").more(), None);
        assert_eq!(read("null x").fields().unwrap().text("a").unwrap(), "");
        assert!(Document::read(b" \n").unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_never_quoted() {
        for (text, said) in [
            (&b"\xef\xbb\xbf{}"[..], "line 1: it begins with a byte order mark (BOM)"),
            (b"\xff\xfe{\0}\0", "line 1: it is UTF-16"),
            (b"{\n\"a\": canary}", "line 2: not JSON (column 6)"),
            (b"\n\n{\"a\":", "line 3: it ends in the middle of JSON"),
            (b"\n[]", "line 2: not an object"),
            (b"\"canary\"", "line 1: not an object"),
            (b"nul", "line 1: it ends"),
            (b"x", "line 1: not JSON"),
        ] {
            let wrong = Document::read(text).err().unwrap().to_string();
            assert!(wrong.starts_with(said) && !wrong.contains("canary"), "{wrong}");
        }
    }

    #[test]
    fn keys_that_stand_twice_are_found() {
        let twice =
            |text: &str| read(text).fields().unwrap().twice(&["auths", "helpers"]).map(|wrong| wrong.line);
        for (text, line) in [
            ("{\"a\":1,\n\"b\":2}", None),
            ("{\"a\":1,\n\"A\":2}", Some(2)),
            ("{\"auths\":{},\n\n\"Auths\":{}}", Some(3)),
            ("{\"auths\":{\"r\":{},\n\"r\":{}}}", Some(2)),
            ("{\"auths\":{\"r\":{},\n\"R\":{}}}", None),
            ("{\"auths\":{\"r\":{\"auth\":\"\",\n\"Auth\":\"\"}}}", Some(2)),
            ("{\"helpers\":{\"r\":\"a\",\n\"r\":\"b\"}}", Some(2)),
            ("{\"other\":{\"r\":1,\n\"r\":2}}", None),
        ] {
            assert_eq!(twice(text), line, "{text}");
        }
    }

    #[test]
    fn half_pairs_and_bytes_beyond_utf_8_are_read_as_go_reads_them() {
        assert_eq!(
            string(r#""a\ud800b\"\udc00\ud83d\ude00\n\u0041""#).unwrap(),
            "a\u{fffd}b\"\u{fffd}\u{1f600}\nA"
        );
        assert_eq!(string(r#""\ud800\u0041""#).unwrap(), "\u{fffd}A");
        assert_eq!(string(r#""\ud800"#), None);
        let document = Document::read(b"{\"a\":\"x\xffy\"}").unwrap().unwrap();
        assert_eq!(document.fields().unwrap().text("a").unwrap(), "x\u{fffd}y");
    }
}
