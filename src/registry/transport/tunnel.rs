//! Why a proxy refuses a tunnel: the connector that reads its answer keeps the status to itself, so it is asked once
//! more, by these few lines, where the tunnel was refused. Nothing is sent through it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use super::resolver::{Names, look_up};
use crate::registry::origin::Origin;

/// The most of the answer that is read: its first line is at its start.
const HEAD: usize = 256;

/// The status of the proxy's answer to CONNECT; nothing where it is none of http, or says something else now.
pub(super) async fn status(
    proxy: &Url,
    origin: &Origin,
    names: Option<Arc<dyn Names>>,
    limit: Duration,
) -> Option<u16> {
    if proxy.scheme() != "http" {
        return None;
    }
    tokio::time::timeout(limit, ask(proxy, origin, names)).await.ok()?
}

async fn ask(proxy: &Url, origin: &Origin, names: Option<Arc<dyn Names>>) -> Option<u16> {
    let host = proxy.host_str()?.trim_matches(['[', ']']);
    let address = match host.parse() {
        Ok(address) => address,
        Err(_) => *look_up(host, names).await.ok()?.first()?,
    };
    let mut stream =
        TcpStream::connect(SocketAddr::new(address, proxy.port_or_known_default()?)).await.ok()?;
    let to = format!("{}:{}", origin.host, origin.port);
    let mut text = zeroize::Zeroizing::new(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n"));
    if !proxy.username().is_empty() {
        let decoded = |part: &str| percent_decoded(part);
        let user = format!("{}:{}", decoded(proxy.username()), decoded(proxy.password().unwrap_or_default()));
        let encoded =
            base64::engine::general_purpose::STANDARD.encode(zeroize::Zeroizing::new(user).as_bytes());
        text.push_str(&format!("Proxy-Authorization: Basic {encoded}\r\n"));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).await.ok()?;
    let mut head = Vec::new();
    while head.len() < HEAD && !head.contains(&b'\n') {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            break;
        }
    }
    let line = String::from_utf8_lossy(&head).lines().next()?.to_owned();
    let status = line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    (!(200..300).contains(&status)).then_some(status)
}

fn percent_decoded(text: &str) -> String {
    url::form_urlencoded::parse(text.replace('+', "%2B").replace('&', "%26").as_bytes())
        .next()
        .map(|(decoded, _)| decoded.into_owned())
        .unwrap_or_default()
}
