//! What a caller adds to requests.

use cldoci::oci::{Descriptor, media_type};
use cldoci::options::Options;
use cldoci::{Call, Kind, Operation};

use super::help::{manifest, repository, run, with_options};
use crate::harness::evil::{Act, Evil, answer};

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
        // An agent is no secret, and is quoted.
        refused(&|options| options.set("user_agent", &bad.replace("canary", "agent")));
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

#[test]
fn q_100_folded_headers_and_a_blank_before_the_colon_are_read() {
    let body = manifest(&Descriptor::of(media_type::EMPTY, b"{}"), &[]);
    let get = |headers: &str| {
        let mut bytes = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\n{headers}\r\n",
            media_type::OCI_MANIFEST,
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(&body);
        let server = Evil::start(move |_| vec![Act::Send(bytes.clone())]);
        run(async { repository(&server.host(), &[("retries", "0")]).get_manifest("v1").await.map(drop) })
    };
    for right in [
        "X-A: b\r\n",
        "Set-Cookie: a=b;\r\n path=/;\r\n\tsecure\r\n",
        "Content-Security-Policy: x\r\n  y\r\n",
        "X-A : b\r\n",
    ] {
        get(right).unwrap_or_else(|error| panic!("{right:?}: {error}"));
    }
    for wrong in ["no colon\r\n", ": no name\r\n", "X-A: \x01\r\n"] {
        assert_eq!(get(wrong).unwrap_err().kind(), Kind::Protocol, "{wrong:?}");
    }
}
