//! Changes a JSON text in one place and leaves every other byte as it is: people keep such files by hand, and other
//! programs keep their own keys in them. Pure.

use std::ops::Range;

/// A member of an object in a text.
pub(crate) struct Member {
    pub(crate) key: String,
    /// Where its key begins.
    start: usize,
    pub(crate) value: Range<usize>,
}

/// An object in a text: its braces and its members.
pub(crate) struct Object {
    open: usize,
    close: usize,
    pub(crate) members: Vec<Member>,
}

/// Sets `object.key` to the members `fields`, each a JSON text with its name. `None` where the text is not a
/// JSON object, or `object` is there and is none.
pub(crate) fn set(text: &str, object: &str, key: &str, fields: &[(&str, String)]) -> Option<String> {
    if text.trim().is_empty() {
        return set("{\n}\n", object, key, fields);
    }
    let root = Object::read(text, 0)?;
    let Some(parent) = root.members.iter().rev().find(|m| m.key == object) else {
        let space = Space::before(text, &root, "\n\t");
        let inner = format!("{{{}}}", space.deeper().wrap(&space.deeper().entry(key, fields), &space));
        return Some(insert(text, &root, &format!("{}: {inner}", quoted(object)), &space));
    };
    let deep = Space::before(text, &root, "\n\t").deeper();
    let whole = text.get(parent.value.clone())?;
    let inner = if whole == "null" { None } else { Some(Object::read(text, parent.value.start)?) };
    match inner {
        Some(inner) if !inner.members.is_empty() => {
            let space = Space::before(text, &inner, &deep.0);
            match inner.members.iter().rev().find(|m| m.key == key) {
                Some(old) => Some(replace(text, old.value.clone(), &space.value(fields))),
                None => Some(insert(text, &inner, &space.entry(key, fields), &space)),
            }
        }
        _ => {
            let made = format!("{{{}}}", deep.wrap(&deep.entry(key, fields), &deep.shallower()));
            Some(replace(text, parent.value.clone(), &made))
        }
    }
}

/// Removes `object.key`; the same text where it is not there.
pub(crate) fn remove(text: &str, object: &str, key: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some(text.to_owned());
    }
    let root = Object::read(text, 0)?;
    let Some(parent) = root.members.iter().rev().find(|m| m.key == object) else {
        return Some(text.to_owned());
    };
    let Some(inner) = Object::read(text, parent.value.start) else { return Some(text.to_owned()) };
    let Some(at) = inner.members.iter().position(|m| m.key == key) else { return Some(text.to_owned()) };
    let member = inner.members.get(at)?;
    let before = at.checked_sub(1).and_then(|before| inner.members.get(before));
    let cut = match (before, inner.members.get(at + 1)) {
        (_, Some(next)) => member.start..next.start,
        (Some(before), None) => before.value.end..member.value.end,
        (None, None) => inner.open + 1..inner.close,
    };
    // A key can be there twice.
    remove(&replace(text, cut, ""), object, key)
}

/// Adds `member`, a JSON text, at the end of the object, close to what is before it.
pub(crate) fn append(text: &str, object: &Object, member: &str) -> String {
    let (end, comma) = object.members.last().map_or((object.open + 1, ""), |last| (last.value.end, ","));
    replace(text, end..object.close, &format!("{comma}{member}"))
}

/// Puts `with` where the range is.
pub(crate) fn replace(text: &str, range: Range<usize>, with: &str) -> String {
    let (before, after) = (text.get(..range.start), text.get(range.end..));
    [before.unwrap_or_default(), with, after.unwrap_or_default()].concat()
}

/// Adds a member behind the last.
fn insert(text: &str, object: &Object, member: &str, space: &Space) -> String {
    match object.members.last() {
        Some(last) => replace(text, last.value.end..last.value.end, &format!(",{}{member}", space.0)),
        None => {
            let inside = space.wrap(member, &space.shallower());
            replace(text, object.open + 1..object.close, &inside)
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The white space before a member, which is how the file is laid out.
struct Space(String);

impl Space {
    fn before(text: &str, object: &Object, otherwise: &str) -> Self {
        let found = object.members.last().map(|last| {
            let head = text.get(..last.start).unwrap_or_default();
            head.get(head.trim_end().len()..).unwrap_or_default().to_owned()
        });
        Self(found.unwrap_or_else(|| otherwise.to_owned()))
    }

    fn deeper(&self) -> Self {
        match self.0.rsplit_once('\n') {
            None => Self(self.0.clone()),
            Some((_, "")) => Self(format!("{}\t", self.0)),
            // One level of the indentation that is used: this is the first.
            Some((_, unit)) => Self(format!("{}{unit}", self.0)),
        }
    }

    fn shallower(&self) -> Self {
        match self.0.rsplit_once('\n') {
            None => Self(self.0.clone()),
            Some((head, indentation)) => {
                let half = indentation.len() / 2;
                Self(format!("{head}\n{}", indentation.get(..half).unwrap_or_default()))
            }
        }
    }

    fn wrap(&self, inside: &str, end: &Self) -> String {
        format!("{}{inside}{}", self.0, end.0)
    }

    fn value(&self, fields: &[(&str, String)]) -> String {
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}: {value}", quoted(name))).collect();
        format!("{{{}}}", fields.join(", "))
    }

    fn entry(&self, key: &str, fields: &[(&str, String)]) -> String {
        format!("{}: {}", quoted(key), self.value(fields))
    }
}

/// Where the elements of the array are that is the next thing from `at` on, up to `most` of them.
pub(crate) fn elements(text: &str, at: usize, most: usize) -> Option<Vec<Range<usize>>> {
    let bytes = text.as_bytes();
    let mut at = skip_space(bytes, at);
    if *bytes.get(at)? != b'[' {
        return None;
    }
    let mut found = Vec::new();
    at = skip_space(bytes, at + 1);
    while *bytes.get(at)? != b']' && found.len() < most {
        let end = skip_value(bytes, at)?;
        found.push(at..end);
        at = skip_space(bytes, end);
        if *bytes.get(at)? == b',' {
            at = skip_space(bytes, at + 1);
        }
    }
    Some(found)
}

impl Object {
    /// The object whose brace is the next thing from `at` on. The text is known to be JSON, or what comes of it is
    /// looked at.
    pub(crate) fn read(text: &str, at: usize) -> Option<Self> {
        let bytes = text.as_bytes();
        let open = skip_space(bytes, at);
        let mut members = Vec::new();
        let mut at = open;
        if *bytes.get(at)? != b'{' {
            return None;
        }
        at = skip_space(bytes, at + 1);
        while *bytes.get(at)? != b'}' {
            let start = at;
            at = skip_value(bytes, at)?;
            let key = serde_json::from_str(text.get(start..at)?).ok()?;
            at = skip_space(bytes, at);
            if *bytes.get(at)? != b':' {
                return None;
            }
            let begin = skip_space(bytes, at + 1);
            at = skip_value(bytes, begin)?;
            members.push(Member { key, start, value: begin..at });
            at = skip_space(bytes, at);
            if *bytes.get(at)? == b',' {
                at = skip_space(bytes, at + 1);
            }
        }
        Some(Self { open, close: at, members })
    }
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The end of the value that begins at `at`.
fn skip_value(bytes: &[u8], mut at: usize) -> Option<usize> {
    let (mut depth, mut in_string) = (0_usize, false);
    loop {
        match (*bytes.get(at)?, in_string) {
            (b'\\', true) => at += 1,
            (b'"', _) => in_string = !in_string,
            (_, true) => {}
            (b'{' | b'[', _) => depth += 1,
            (b'}' | b']', _) if depth == 0 => return Some(at),
            (b'}' | b']', _) => depth -= 1,
            (b',' | b':', _) if depth == 0 => return Some(at),
            (byte, _) if depth == 0 && byte.is_ascii_whitespace() => return Some(at),
            // The middle of a number or a word.
            _ => {
                at += 1;
                continue;
            }
        }
        at += 1;
        let ended = !in_string && depth == 0;
        if ended && matches!(bytes.get(at - 1), Some(b'"' | b'}' | b']')) {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn auth(text: &str, key: &str) -> String {
        set(text, "auths", key, &[("auth", "\"x\"".to_owned())]).unwrap()
    }

    #[test]
    fn a_new_file_looks_as_docker_writes_it() {
        assert_eq!(auth("", "r.test"), "{\n\t\"auths\": {\n\t\t\"r.test\": {\"auth\": \"x\"}\n\t}\n}\n");
    }

    #[test]
    fn elements_are_found_whatever_they_are() {
        let text = r#" [ 1 ,"a,]\"" ,{"b":[2,3]}, [ ] ,null]"#;
        let found = |most| -> Vec<&str> {
            elements(text, 0, most).unwrap().into_iter().map(|range| &text[range]).collect()
        };
        assert_eq!(found(9), ["1", r#""a,]\"""#, r#"{"b":[2,3]}"#, "[ ]", "null"]);
        assert_eq!(found(2), ["1", r#""a,]\"""#]);
        assert_eq!(elements("[]", 0, 9), Some(Vec::new()));
        assert!(elements("{}", 0, 9).is_none() && elements("[1", 0, 9).is_none());
    }

    #[test]
    fn what_was_there_stays_byte_for_byte() {
        let text = "{ \"b\" :1,\n   \"auths\": {\n      \"a\": {\"auth\":\"\\u0041\"}  \n  } , \"z\":[ {\"auths\":{}} ]}\r\n";
        let made = auth(text, "r.test");
        assert_eq!(
            made,
            "{ \"b\" :1,\n   \"auths\": {\n      \"a\": {\"auth\":\"\\u0041\"},\n      \"r.test\": {\"auth\": \"x\"}  \n  } , \"z\":[ {\"auths\":{}} ]}\r\n"
        );
        assert_eq!(remove(&made, "auths", "r.test").unwrap(), text);
        assert_eq!(auth(text, "a"), text.replace(r#"{"auth":"\u0041"}"#, r#"{"auth": "x"}"#));
    }

    #[test]
    fn objects_that_are_empty_or_absent_or_null() {
        for text in
            ["{}", "{ }", r#"{"auths":{}}"#, r#"{"auths":null}"#, r#"{"a":1}"#, "{\n  \"a\": {\"b\": 1}\n}"]
        {
            let made: Value = serde_json::from_str(&auth(text, "k\"")).unwrap();
            let mut want: Value = serde_json::from_str(text).unwrap();
            if !want["auths"].is_object() {
                want["auths"] = json!({});
            }
            want["auths"]["k\""] = json!({"auth": "x"});
            assert_eq!(made, want, "{text}");
        }
        assert_eq!(
            auth("{\n  \"a\": 1\n}", "k"),
            "{\n  \"a\": 1,\n  \"auths\": {\n    \"k\": {\"auth\": \"x\"}\n  }\n}"
        );
        assert!(set("[]", "auths", "k", &[]).is_none());
        assert!(set(r#"{"auths":[]}"#, "auths", "k", &[]).is_none());
    }

    #[test]
    fn removing_the_first_the_last_the_only_and_one_that_is_twice() {
        let text = r#"{"auths": {"a": {}, "b": {}, "c": {}}}"#;
        assert_eq!(remove(text, "auths", "a").unwrap(), r#"{"auths": {"b": {}, "c": {}}}"#);
        assert_eq!(remove(text, "auths", "b").unwrap(), r#"{"auths": {"a": {}, "c": {}}}"#);
        assert_eq!(remove(text, "auths", "c").unwrap(), r#"{"auths": {"a": {}, "b": {}}}"#);
        assert_eq!(remove(r#"{"auths": { "a": 1 }}"#, "auths", "a").unwrap(), r#"{"auths": {}}"#);
        assert_eq!(remove(r#"{"auths": {"a": 1, "a": 2}}"#, "auths", "a").unwrap(), r#"{"auths": {}}"#);
        for text in ["", "{}", r#"{"auths": null}"#, r#"{"auths": {"b": 1}}"#] {
            assert_eq!(remove(text, "auths", "a").unwrap(), text);
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~\n\u{e9}]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,4}", inner, 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_change_is_the_change_and_nothing_else(
            rest in prop::collection::btree_map("[a-z\"\\\\{]{0,3}", any_json(), 0..4),
            auths in prop::collection::btree_map("[a-c\"]{0,2}", any_json(), 0..4),
            key in "[a-c\"]{0,2}",
            pretty in any::<bool>(),
        ) {
            let mut whole: serde_json::Map<String, Value> = rest.into_iter().collect();
            whole.insert("auths".to_owned(), Value::Object(auths.into_iter().collect()));
            let mut want = Value::Object(whole);
            let text = if pretty { serde_json::to_string_pretty(&want) } else { serde_json::to_string(&want) }.unwrap();
            let made = auth(&text, &key);
            want["auths"][&key] = json!({"auth": "x"});
            prop_assert_eq!(serde_json::from_str::<Value>(&made).unwrap(), want.clone());
            let removed = remove(&made, "auths", &key).unwrap();
            want["auths"].as_object_mut().unwrap().remove(&key);
            prop_assert_eq!(serde_json::from_str::<Value>(&removed).unwrap(), want);
        }

        #[test]
        fn any_text_ends_without_a_panic(text in "[ -~\n\"{}\\[\\],:]{0,60}") {
            let _ = set(&text, "auths", "k", &[]);
            let _ = remove(&text, "auths", "k");
        }
    }
}
