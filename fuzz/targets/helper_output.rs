//! Oracle: what was read is read again from its plain form; what follows the first value changes nothing; what is wrong
//! is told in one short line.

use cldoci::credentials::fuzz::helper_output;

pub fn run(data: &[u8]) {
    match helper_output(data) {
        Ok((username, secret)) => {
            let plain = serde_json::json!({"Username": username, "Secret": secret}).to_string();
            let read = Ok((username, secret));
            assert_eq!(helper_output(plain.as_bytes()), read);
            assert_eq!(helper_output(&[data, b"\nmore {\"Secret\":\"other\"}"].concat()), read);
        }
        Err(why) => assert!(!why.chars().any(char::is_control) && why.len() < 200, "{why:?}"),
    }
}
