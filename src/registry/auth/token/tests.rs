use super::*;

fn value(body: &str) -> String {
    let token = parse(body.as_bytes(), Instant::now()).map_err(|e| panic!("{body}: {e}")).unwrap();
    assert!(token.header.is_sensitive());
    token.header.to_str().unwrap().to_owned()
}

#[test]
fn q9_either_name_of_a_token_and_both() {
    assert_eq!(value(r#"{"token":"a"}"#), "Bearer a");
    assert_eq!(value(r#"{"access_token":"b"}"#), "Bearer b");
    assert_eq!(value(r#"{"token":"a","access_token":"b"}"#), "Bearer b");
    assert_eq!(value(r#"{"token":"a","access_token":"","x":[1]}"#), "Bearer a");
}

#[test]
fn q127_an_answer_is_read_as_docker_reads_it() {
    assert_eq!(value(r#"{"Token":"a"}"#), "Bearer a");
    assert_eq!(value(r#"{"token":"a","TOKEN":"b","token":null}"#), "Bearer b");
    assert_eq!(value("{\"token\":\"a\"}\n<!-- served by x -->"), "Bearer a");
    assert_eq!(value(r#"{"token":"a"}{"token":"b"}"#), "Bearer a");
}

#[test]
fn r_08_what_is_no_token() {
    for (body, why) in [
        ("", "not JSON"),
        ("{}", "no token"),
        ("null", "no token"),
        ("x", "not JSON"),
        ("[]", "not JSON"),
        ("\u{feff}{\"token\":\"a\"}", "byte order mark"),
        (r#"{"token":""}"#, "no token"),
        (r#"{"token":null}"#, "no token"),
        (r#"{"token":5}"#, "not JSON"),
        (r#"{"token":"a\r\nX: y"}"#, "no header"),
        (r#"{"token":"a b"}"#, "no header"),
        (r#"{"token":"\u00ff"}"#, "no header"),
        (r#"{"token":"\u0000"}"#, "no header"),
    ] {
        let said = parse(body.as_bytes(), Instant::now()).err().unwrap();
        assert!(said.contains(why), "{body}: {said}");
    }
}

#[test]
fn q10_r_08_how_long_a_token_lives() {
    for (expires_in, seconds) in [
        ("300", 300),
        ("60", 60),
        ("59", 60),
        ("0", 60),
        ("-1", 60),
        ("9223372036854775808", 86_400),
        ("1e30", 60),
        ("\"600\"", 600),
        ("\"x\"", 60),
        ("null", 60),
        ("[]", 60),
    ] {
        assert_eq!(life(&serde_json::from_str(expires_in).unwrap()).as_secs(), seconds, "{expires_in}");
    }
    let now = Instant::now();
    let renew =
        |body: &str| (parse(body.as_bytes(), now).unwrap_or_else(|e| panic!("{e}")).renew - now).as_secs();
    assert_eq!(renew(r#"{"token":"a"}"#), 45);
    assert_eq!(renew(r#"{"token":"a","expires_in":3600}"#), 3570);
}

fn request<'a>(realm: &'a Realm, credential: Option<&'a Credential>, scopes: &'a [String]) -> Request<'a> {
    Request { realm, service: "a&x=b", scopes, credential, offline: false }
}

#[test]
fn a_06_parameters_are_percent_encoded() {
    let origin = crate::registry::origin::Origin::of_registry("reg.test", true).unwrap();
    let realm = crate::registry::policy::realm(&origin, None, "https://reg.test/t?k=v", &[]).unwrap();
    let credential = Credential::basic("u", Secret::new("p")).unwrap();
    let scopes = ["repository:a:pull&x=y".to_owned(), "aws".to_owned()];
    let mut url = realm.url.clone();
    query(&mut url, &request(&realm, Some(&credential), &scopes));
    assert_eq!(
        url.as_str(),
        "https://reg.test/t?k=v&service=a%26x%3Db&scope=repository%3Aa%3Apull%26x%3Dy&scope=aws&account=u"
    );
    let identity = Credential::identity_token("", Secret::new("r&t")).unwrap();
    assert_eq!(
        form(&request(&realm, Some(&identity), &scopes)),
        "grant_type=refresh_token&service=a%26x%3Db&client_id=cldoci&scope=repository%3Aa%3Apull%26x%3Dy+aws&refresh_token=r%26t"
    );
}

#[test]
fn basic_headers_are_sensitive() {
    let header = basic(&Credential::basic("Aladdin", Secret::new("open sesame")).unwrap()).unwrap();
    assert_eq!(header.to_str().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert!(header.is_sensitive() && !format!("{header:?}").contains("QWxh"));
    let token = Credential::identity_token("", Secret::new("t")).unwrap();
    assert_eq!(basic(&token).unwrap().to_str().unwrap(), "Basic PHRva2VuPjp0");
}
