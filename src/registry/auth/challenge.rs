//! `WWW-Authenticate` (RFC 9110 §11.6.1): several challenges in one header and several headers, parameters
//! quoted, unquoted and escaped. Pure, bounded, and it never panics (case R-27).

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// The most bytes of challenges that are read.
const BYTES_LIMIT: usize = 16 << 10;
/// The most challenges and the most parameters of one that are kept.
const COUNT_LIMIT: usize = 32;

/// What a server's challenges come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Challenges {
    /// The first Bearer challenge that names a realm.
    pub(super) bearer: Option<Bearer>,
    /// Basic is offered.
    pub(super) basic: bool,
    /// The token is good and its rights are not enough (RFC 6750 3.1).
    pub(super) insufficient: bool,
    /// What is wrong with a challenge that could not be used.
    pub(super) malformed: Option<&'static str>,
}

/// A Bearer challenge (distribution-spec, token authentication).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bearer {
    /// The token server; may be relative to the request (Q14).
    pub(super) realm: String,
    /// Who the token is for; empty where the server left it out (Q4).
    pub(super) service: String,
    /// The scopes that the request needs, each as it was written (Q1, Q5).
    pub(super) scopes: Vec<String>,
}

impl Challenges {
    /// The challenges of an answer.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut made = Self::default();
        let mut budget = BYTES_LIMIT;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let bytes = value.as_bytes();
            let Some(left) = budget.checked_sub(bytes.len()) else {
                made.malformed = Some("it is longer than 16 KiB");
                break;
            };
            budget = left;
            let (challenges, malformed) = parse(bytes);
            made.malformed = made.malformed.or(malformed);
            for challenge in challenges {
                made.take(challenge);
            }
        }
        made
    }

    fn take(&mut self, challenge: Challenge) {
        self.insufficient |= challenge
            .parameters
            .iter()
            .any(|(name, value)| name.eq_ignore_ascii_case("error") && value == "insufficient_scope");
        if challenge.scheme.eq_ignore_ascii_case("basic") {
            self.basic = true;
        } else if challenge.scheme.eq_ignore_ascii_case("bearer") && self.bearer.is_none() {
            match challenge.into_bearer() {
                Some(bearer) => self.bearer = Some(bearer),
                None => self.malformed = self.malformed.or(Some("its Bearer challenge names no realm")),
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    fn into_bearer(self) -> Option<Bearer> {
        let first = |name: &str| {
            self.parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone())
        };
        let realm = first("realm").filter(|realm| !realm.is_empty())?;
        let mut scopes: Vec<String> = Vec::new();
        for (name, value) in &self.parameters {
            if name.eq_ignore_ascii_case("scope") {
                for scope in value.split_ascii_whitespace() {
                    if !scopes.iter().any(|s| s == scope) {
                        scopes.push(scope.to_owned());
                    }
                }
            }
        }
        Some(Bearer { realm, service: first("service").unwrap_or_default(), scopes })
    }
}

/// The challenges of one header value; what came before a fault is kept.
fn parse(bytes: &[u8]) -> (Vec<Challenge>, Option<&'static str>) {
    let mut input = Input { bytes, at: 0 };
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        input.skip(|b| matches!(b, b' ' | b'\t' | b','));
        if input.peek().is_none() {
            return (challenges, None);
        }
        let name = input.take(is_token);
        if name.is_empty() {
            return (challenges, Some("it has a character where a name must be"));
        }
        input.skip(is_space);
        if input.peek() == Some(b'=') && challenges.last().is_some() {
            input.at += 1;
            input.skip(is_space);
            let value = match input.value() {
                Ok(value) => value,
                Err(why) => return (challenges, Some(why)),
            };
            if let Some(challenge) = challenges.last_mut() {
                if challenge.parameters.len() >= COUNT_LIMIT {
                    return (challenges, Some("it has too many parameters"));
                }
                challenge.parameters.push((text(name), value));
            }
            continue;
        }
        if challenges.len() >= COUNT_LIMIT {
            return (challenges, Some("it has too many challenges"));
        }
        challenges.push(Challenge { scheme: text(name), parameters: Vec::new() });
        input.skip_token68();
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|b| !wanted(*b)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) {
        self.take(wanted);
    }

    /// A scheme's token68 (`Negotiate YII=`), which no scheme that is used here has.
    fn skip_token68(&mut self) {
        let start = self.at;
        let run = self.take(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b));
        self.skip(|b| b == b'=');
        self.skip(is_space);
        if run.is_empty() || !matches!(self.peek(), None | Some(b',')) {
            self.at = start;
        }
    }

    /// A quoted string, or what stands before the next comma or space: servers leave quotes out around
    /// URLs and scopes, which are no tokens.
    fn value(&mut self) -> Result<String, &'static str> {
        let mut value = Vec::new();
        if self.peek() != Some(b'"') {
            value.extend_from_slice(self.take(|b| !matches!(b, b',' | b' ' | b'\t')));
        } else {
            self.at += 1;
            loop {
                match self.peek() {
                    None => return Err("a quote is not closed"),
                    Some(b'"') => break,
                    Some(b'\\') => {
                        self.at += 1;
                        value.push(self.peek().ok_or("a quote is not closed")?);
                    }
                    Some(byte) => value.push(byte),
                }
                self.at += 1;
            }
            self.at += 1;
        }
        String::from_utf8(value).map_err(|_| "a parameter is not UTF-8")
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[&str]) -> Challenges {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Challenges::of(&headers)
    }

    fn bearer(values: &[&str]) -> (String, String, Vec<String>) {
        let found = of(values).bearer.unwrap_or_else(|| panic!("no Bearer in {values:?}"));
        (found.realm, found.service, found.scopes)
    }

    #[test]
    fn r_27_a_plain_bearer_challenge() {
        let (realm, service, scopes) = bearer(&[
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
        ]);
        assert_eq!(
            (realm.as_str(), service.as_str()),
            ("https://auth.docker.io/token", "registry.docker.io")
        );
        assert_eq!(scopes, ["repository:a/b:pull,push"]);
    }

    #[test]
    fn r_27_several_challenges_in_one_header_and_several_headers() {
        let one = r#"Basic realm="x", charset="UTF-8", Bearer realm="https://t/", service=s"#;
        assert_eq!(bearer(&[one]).0, "https://t/");
        assert!(of(&[one]).basic);
        assert_eq!(bearer(&[r#"Basic realm="x""#, r#"bearer realm="https://t/""#]).0, "https://t/");
        assert_eq!(bearer(&[r#"Negotiate, Bearer realm="https://t/""#]).0, "https://t/");
        assert_eq!(bearer(&[r#"Negotiate YIIabc==, Bearer realm="https://t/""#]).0, "https://t/");
        assert_eq!(bearer(&[r#"Negotiate YII/a+c==, Bearer realm="https://t/""#]).0, "https://t/");
        let unknown = of(&[r#"Digest realm="x", nonce="y""#]);
        assert_eq!(unknown, Challenges::default());
    }

    #[test]
    fn q111_a_right_that_is_missing_is_heard_in_any_of_the_challenges() {
        let lacks = r#"Bearer realm="https://t/", ERROR="insufficient_scope""#;
        assert!(of(&[lacks]).insufficient && of(&[lacks, "Basic realm=x"]).insufficient);
        assert!(of(&["Basic realm=x", lacks]).insufficient);
        assert!(!of(&[r#"Bearer realm="https://t/", error="invalid_token""#]).insufficient);
    }

    #[test]
    fn r_27_unquoted_escaped_and_odd_spaces() {
        assert_eq!(
            bearer(&["Bearer realm=https://t/token,service=a.b,scope=repository:a/b:pull"]),
            ("https://t/token".into(), "a.b".into(), vec!["repository:a/b:pull".into()])
        );
        assert_eq!(bearer(&[r#"Bearer realm="a\"b\\c""#]).0, r#"a"b\c"#);
        assert_eq!(bearer(&["  ,, BEARER   REALM = \"r\" ,\t,Service = s ,"]).1, "s");
        // A comma and a scheme's name inside quotes are text.
        assert_eq!(bearer(&[r#"Bearer realm="r",x="a, Basic b""#]).0, "r");
        assert!(!of(&[r#"Bearer realm="r",x="a, Basic b""#]).basic);
    }

    #[test]
    fn r_27_q5_several_scopes_are_all_kept_once() {
        let (_, _, scopes) = bearer(&[r#"Bearer realm="r",scope="aws  repository:a:pull aws",scope="*""#]);
        assert_eq!(scopes, ["aws", "repository:a:pull", "*"]);
    }

    #[test]
    fn r_27_malformed_ones_are_told_and_harm_no_good_one() {
        for bad in [
            r#"Bearer realm="open"#,
            r#"Bearer realm="open\"#,
            "Bearer",
            r#"Bearer service="s""#,
            r#"Bearer realm="""#,
            "=x",
            "\"quoted\"",
        ] {
            let found = of(&[bad]);
            assert!(found.bearer.is_none() && found.malformed.is_some(), "{bad}: {found:?}");
            assert_eq!(bearer(&[bad, r#"Bearer realm="good""#]).0, "good");
        }
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(b"Bearer realm=\"\xff\"").unwrap());
        assert_eq!(Challenges::of(&headers).malformed, Some("a parameter is not UTF-8"));
    }

    #[test]
    fn r_27_a_huge_header_is_not_read() {
        let huge = format!(r#"Bearer realm="{}""#, "a".repeat(1 << 20));
        assert_eq!(of(&[&huge]).malformed, Some("it is longer than 16 KiB"));
        let many = "Basic, ".repeat(1000);
        assert_eq!(of(&[&many]).malformed, Some("it has too many challenges"));
        let many = format!("Bearer {}", "a=b,".repeat(1000));
        assert_eq!(of(&[&many]).malformed, Some("it has too many parameters"));
    }

    proptest! {
        #[test]
        fn r_27_any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let (challenges, malformed) = parse(&bytes);
            prop_assert!(challenges.len() <= COUNT_LIMIT);
            prop_assert!(malformed.is_some() || bytes.is_empty() || !challenges.is_empty()
                || bytes.iter().all(|b| b" \t,".contains(b)));
        }

        #[test]
        fn r_27_what_is_quoted_comes_back(realm in "[ -~]{1,40}", service in "[ -~]{0,40}") {
            let quote = |s: &str| s.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("X a=b, Bearer realm=\"{}\",service=\"{}\"", quote(&realm), quote(&service));
            let found = of(&[&header]).bearer.unwrap();
            prop_assert_eq!((found.realm, found.service), (realm, service));
        }
    }
}
