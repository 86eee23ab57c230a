//! The HTTP clients, made when first needed: one for each TLS profile and address policy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, Proxy, redirect};
use url::Url;

use super::SHORT_PERMITS;
use super::certs_d;
use super::no_proxy::NoProxy;
use super::resolver::{Classes, Names, Resolver};
use super::tls::Tls;
use crate::error::{Error, Kind, Result, printable};
use crate::operation::Operation;
use crate::options::Settings;
use crate::registry::origin::Origin;
use crate::registry::policy::AddressPolicy;

/// Windows of HTTP/2: what may be under way unread, per stream and per connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 2 << 20;
/// All headers of an answer on HTTP/2, and their number on HTTP/1.
const HEADER_LIST: u32 = 64 << 10;
const HEADER_COUNT: usize = 256;
/// Idle connections: load balancers drop them after 30–60 s (Q75).
const IDLE: Duration = Duration::from_secs(25);
/// As many as may ask at once: with fewer, calls that come together connect anew.
const IDLE_PER_HOST: usize = SHORT_PERMITS;

/// What makes one client differ from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Profile {
    addresses: AddressPolicy,
    /// None = plain HTTP, for which no trust store is read: a container without certificates can use it.
    tls: Option<Tls>,
}

pub(super) struct Clients {
    settings: Settings,
    proxies: Arc<Proxies>,
    user_agent: String,
    names: Option<Arc<dyn Names>>,
    classes: Classes,
    made: Mutex<HashMap<Profile, Client>>,
}

impl Clients {
    pub(super) fn new(settings: &Settings, names: Option<Arc<dyn Names>>) -> Result<Self> {
        let user_agent = match settings.user_agent.as_str() {
            "" => format!("cldoci/{}", env!("CARGO_PKG_VERSION")),
            text => text.to_owned(),
        };
        if super::header_value(&user_agent).is_none() {
            return Err(Error::new(
                Kind::Argument,
                "option 'user_agent' has a character that no header may have",
            ));
        }
        // Ring, since AWS-LC alone is a quarter of the library. A Rust host's own choice stands.
        let _ = super::ecdsa::provider().install_default();
        Ok(Self {
            settings: settings.clone(),
            proxies: Arc::new(Proxies::new(settings)?),
            user_agent,
            names,
            classes: Classes::default(),
            made: Mutex::default(),
        })
    }

    pub(super) fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The proxy of a request, without its credentials.
    pub(super) fn proxy_of(&self, url: &Url) -> Option<String> {
        self.proxies.of(url).map(|proxy| {
            let port = proxy.port().map(|port| format!(":{port}")).unwrap_or_default();
            printable(format!("{}://{}{port}", proxy.scheme(), proxy.host_str().unwrap_or_default()))
        })
    }

    /// The same with them.
    pub(super) fn proxy_url(&self, url: &Url) -> Option<Url> {
        self.proxies.of(url).cloned()
    }

    pub(super) fn names(&self) -> Option<Arc<dyn Names>> {
        self.names.clone()
    }

    /// The client for a request.
    pub(super) async fn get(
        &self,
        url: &Url,
        addresses: AddressPolicy,
        operation: &Operation,
    ) -> Result<Client> {
        let origin = Origin::of(url)?;
        let tls = match origin.secure {
            true => Some(self.tls_of(&origin, url, operation)?),
            // The only TLS is then the proxy's, which what was set for the registry's host does not concern.
            false => self.proxies.need_tls().then(Tls::default),
        };
        let profile = Profile { addresses, tls };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&profile) {
            return Ok(client.clone());
        }
        let client = self.build(&profile, operation)?;
        made.insert(profile, client.clone());
        Ok(client)
    }

    /// reqwest has one set-up for the TLS to a proxy and the TLS inside of its tunnel. What was set for one host
    /// must not go to the proxy: it would be shown the host's client certificate, or not be verified.
    fn tls_of(&self, origin: &Origin, url: &Url, operation: &Operation) -> Result<Tls> {
        let directory = certs_d::directory_of(origin, &self.settings, operation)?;
        let tls = Tls::of(&origin.settings(&self.settings), directory);
        let shared = self.proxies.of(url).is_some_and(|proxy| proxy.scheme() == "https");
        if shared && tls != Tls::default() {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "{}: its options insecure, host_ca_file and client_cert, and its directory of certs_dirs, can't be kept from \
                     the proxy {}, which is reached over https; name a proxy of http, or the host in NO_PROXY",
                    origin.authority(),
                    self.proxy_of(url).unwrap_or_default()
                ),
            ));
        }
        Ok(tls)
    }

    fn build(&self, profile: &Profile, operation: &Operation) -> Result<Client> {
        let settings = &self.settings;
        let resolver = Resolver {
            addresses: profile.addresses,
            exempt: self.proxies.hosts(),
            names: self.names.clone(),
        };
        let mut builder = Client::builder()
            .user_agent(&self.user_agent)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            // It would tell the next server the whole URL, an upload's state included.
            .referer(false)
            .no_proxy()
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .http1_max_headers(HEADER_COUNT)
            // Firewalls fold headers, and put a blank before the colon (Q100).
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_header_list_size(HEADER_LIST)
            .tcp_nodelay(true)
            .dns_resolver(resolver);
        if !self.proxies.is_empty() {
            let proxies = self.proxies.clone();
            builder = builder.proxy(Proxy::custom(move |url| proxies.of(url).cloned()));
        }
        builder = match &profile.tls {
            None => builder.tls_certs_only([]),
            Some(tls) => {
                let mut warnings = Vec::new();
                let config = tls.config(settings, &mut warnings)?;
                warnings.into_iter().for_each(|warning| operation.warn(warning));
                builder.tls_backend_preconfigured(config)
            }
        };
        builder.build().map_err(|error| {
            let cause =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            Error::new(Kind::Tls, format!("TLS can't be set up: {}", printable(cause)))
        })
    }
}

/// The proxies of the option, or of the environment as it was when the client was made.
struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    except: NoProxy,
}

impl Proxies {
    fn new(settings: &Settings) -> Result<Self> {
        let none = || Self { http: None, https: None, except: NoProxy::default() };
        let environment = settings.environment();
        let variable = |names: [&str; 2]| names.iter().find_map(|name| environment.text(name));
        let parse = |text: &str| {
            let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
            match Url::parse(&text) {
                Ok(url)
                    if url.has_host() && matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") =>
                {
                    Ok(url)
                }
                // Not quoted: it may hold a password.
                _ => Err(Error::new(
                    Kind::Argument,
                    "invalid proxy: must be a URL of http, https, socks5 or socks5h",
                )),
            }
        };
        match settings.proxy.as_str() {
            "off" => Ok(none()),
            "" => {
                let all = variable(["all_proxy", "ALL_PROXY"]);
                // In a CGI program HTTP_PROXY is the request's header `Proxy` (httpoxy).
                let cgi = environment.text("REQUEST_METHOD").is_some();
                let http = match environment.text("http_proxy") {
                    None if !cgi => environment.text("HTTP_PROXY"),
                    found => found,
                };
                let https = variable(["https_proxy", "HTTPS_PROXY"]);
                Ok(Self {
                    http: http.or(all).map(parse).transpose()?,
                    https: https.or(all).map(parse).transpose()?,
                    except: NoProxy::parse(variable(["no_proxy", "NO_PROXY"]).unwrap_or("")),
                })
            }
            text => {
                let url = parse(text)?;
                Ok(Self { http: Some(url.clone()), https: Some(url), ..none() })
            }
        }
    }

    /// Whether even plain HTTP goes over TLS, to the proxy.
    fn need_tls(&self) -> bool {
        self.http.as_ref().is_some_and(|url| url.scheme() == "https")
    }

    fn hosts(&self) -> Vec<String> {
        self.http
            .iter()
            .chain(&self.https)
            .filter_map(|url| url.host_str().map(str::to_ascii_lowercase))
            .collect()
    }

    fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// The proxy of a request.
    fn of(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref()?,
            _ => self.http.as_ref()?,
        };
        // What is on this machine is not behind a proxy.
        let origin = Origin::of(url).ok()?;
        // reqwest asks no list of exceptions for a proxy that a function chooses.
        (!origin.is_loopback() && !self.except.names(&origin)).then_some(proxy)
    }
}
