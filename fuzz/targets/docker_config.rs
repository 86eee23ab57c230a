//! Oracle: what follows the first value changes nothing; what is written to is read as it was but for the registry that
//! logged in, which is found, and found no more once it logged out; an error is one line without the text.

use cldoci::Kind;
use cldoci::credentials::fuzz::Config;

const HOSTS: [&str; 3] = ["reg.test", "other.test:5000", "docker.io"];

pub fn run(data: &[u8]) {
    let config = match Config::parse(data) {
        Ok(config) => config,
        Err(error) => return super::room::is_plain(&error, &[Kind::Credentials]),
    };
    let found = |config: &Config, host: &str| match config.kept(host) {
        Ok(found) => Some(found),
        Err(error) => {
            super::room::is_plain(&error, &[Kind::Credentials]);
            None
        }
    };
    if !data.trim_ascii().is_empty() {
        let more =
            Config::parse(&[data, b"\n{\"auths\":{\"reg.test\":{\"auth\":\"eDp5\"}}} {"].concat()).unwrap();
        assert!(HOSTS.iter().all(|host| found(&config, host) == found(&more, host)));
        assert!(more.log_in("{}", HOSTS[0]).is_none(), "it is not written to");
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(changed) = config.log_in(text, HOSTS[0]) else { return };
    let after = Config::parse(changed.as_bytes()).unwrap_or_else(|error| panic!("{changed:?}: {error:?}"));
    assert!(after.kept(HOSTS[0]).unwrap().is_some(), "{changed:?}");
    for host in &HOSTS[1..] {
        assert_eq!(found(&after, host), found(&config, host), "{changed:?}");
    }
    assert!(HOSTS.iter().all(|host| after.has_helper(host) == config.has_helper(host)));
    let gone = after.log_out(&changed, HOSTS[0]).unwrap();
    let gone = Config::parse(gone.as_bytes()).unwrap();
    assert_eq!(gone.kept(HOSTS[0]).unwrap(), None);
}
