//! What a caller adds to requests.

use cldoci::options::Options;
use cldoci::{Call, Kind, Operation};

use super::help::{run, with_options};
use crate::harness::evil::{Evil, answer};

#[test]
fn the_user_agent_and_extra_headers_are_sent_to_their_host_alone() {
    let (server, other) = (Evil::start(|_| answer(404, &[], "")), Evil::start(|_| answer(404, &[], "")));
    let mut options = Options::new();
    options.set_host(&server.host(), "header", "X-Tenant=team a").unwrap();
    let read = |host: &str, options: &Options| {
        run(async { with_options(host, options, None).head_manifest("v1").await.err().unwrap() })
    };
    read(&server.host(), &options);
    read(&other.host(), &options);
    let ours = concat!("cldoci/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (server.log()[0].header("user-agent"), server.log()[0].header("x-tenant")),
        (Some(ours), Some("team a"))
    );
    assert_eq!((other.log()[0].header("user-agent"), other.log()[0].header("x-tenant")), (Some(ours), None));
    options.set("user_agent", "cldctl/1.2").unwrap();
    read(&server.host(), &options);
    assert_eq!(server.log().last().unwrap().header("user-agent"), Some("cldctl/1.2"));
}

#[test]
fn a_19_headers_that_no_request_can_carry_are_refused_before_any_is_sent() {
    let server = Evil::start(|_| answer(404, &[], ""));
    let refused = |set: &dyn Fn(&mut Options) -> cldoci::Result<()>| {
        let mut options = Options::new();
        let open = |options: &Options| {
            let settings = cldoci::options::Settings::for_client(options, Default::default())?;
            cldoci::credentials::CredentialCache::new(&settings, None)?;
            let registry = cldoci::registry::Registry::new(&settings)?;
            let cldoci::oci::Reference::Registry(reference) = format!("{}/a:v1", server.host()).parse()?
            else {
                unreachable!()
            };
            registry.repository(&reference, &Call::new(settings, Operation::new())).map(drop)
        };
        let error = set(&mut options).and_then(|()| open(&options)).unwrap_err();
        assert_eq!(error.kind(), Kind::Argument, "{error}");
        assert!(!error.message().contains("canary"), "{error}");
    };
    for bad in [
        "canary\r",
        "can\nary",
        "canary\r\nX-Evil: 1",
        "canary\0",
        "canary\u{20ac}",
        "canary\u{e9}",
        "canary\x1b",
    ] {
        refused(&|options| options.set("user_agent", bad));
        refused(&|options| options.set_host(&server.host(), "header", &format!("X-A={bad}")));
        refused(&|options| options.set_host(&server.host(), "header", &format!("X-{bad}=v")));
        refused(&|options| options.set_host(&server.host(), "registry_token", bad));
        refused(&|options| options.set_host(&server.host(), "identity_token", bad));
    }
    for bad in ["canary\r", "can\nary", "canary\0"] {
        for (name, other) in [("username", "password"), ("password", "username")] {
            refused(&|options| {
                options.set_host(&server.host(), other, "x")?;
                options.set_host(&server.host(), name, bad)
            });
        }
    }
    refused(&|options| {
        options.set_host(&server.host(), "password", "x")?;
        options.set_host(&server.host(), "username", "a:b")
    });
    assert!(server.log().is_empty());
}
