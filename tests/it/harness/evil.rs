//! A server on loopback that does exactly what a test says: bytes, delays, resets; with and without TLS. It
//! keeps a log of what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// One request.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// How many came before it.
    pub index: usize,
    /// Which of the connections it came on.
    pub connection: usize,
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
    /// `METHOD path`
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
    /// A credential of the tests where none may be: it travels in its own header (or one that a test sets by an
    /// option, X-…), and in the form of a token request; never in a path, a query or another header.
    fn stray(&self) -> Option<&str> {
        let secret = has_secret;
        let elsewhere = |name: &str| !name.ends_with("authorization") && !name.starts_with("x-");
        if secret(&self.path) {
            return Some("the path");
        }
        if secret(&String::from_utf8_lossy(&self.body)) && !self.body.starts_with(b"grant_type=") {
            return Some("the body");
        }
        self.headers
            .iter()
            .find(|(name, value)| elsewhere(name) && secret(value))
            .map(|(name, _)| name.as_str())
    }
}

/// What every password and token of the tests has in it, plain and in base64 at each of three places.
const CANARY: [&str; 4] = ["canary", "Y2FuYXJ5", "NhbmFy", "YW5hcn"];

/// Whether a credential of the tests is in a text.
pub fn has_secret(text: &str) -> bool {
    CANARY.iter().any(|needle| text.contains(needle))
}

/// What the server does, one after another.
#[derive(Debug, Clone)]
pub enum Act {
    Send(Vec<u8>),
    /// The same bytes so many times, or until nobody reads.
    Repeat(Vec<u8>, u64),
    Wait(Duration),
    /// Until another answer opens the gate.
    Until(Arc<Gate>),
    Open(Arc<Gate>),
    /// Until the client closes.
    Hang,
    Close,
    /// A TCP reset.
    Reset,
}

/// Holds answers back until another one lets them go on.
#[derive(Debug, Default)]
pub struct Gate(Mutex<bool>, Condvar);

impl Gate {
    pub fn is_open(&self) -> bool {
        *self.0.lock().unwrap()
    }
    pub fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
    fn wait(&self) {
        let closed = self.0.lock().unwrap();
        let limit = Duration::from_secs(60);
        let waited = self.1.wait_timeout_while(closed, limit, |open| !*open).unwrap().1;
        assert!(!waited.timed_out(), "a gate was never opened");
    }
}

/// An answer with a `Content-Length`.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<Act> {
    let body = body.as_ref();
    let mut bytes = head(status, headers);
    bytes.truncate(bytes.len() - 2);
    bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
    bytes.extend(body);
    vec![Act::Send(bytes)]
}

/// The head of an answer.
pub fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} X\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

pub fn send(bytes: impl AsRef<[u8]>) -> Vec<Act> {
    vec![Act::Send(bytes.as_ref().to_vec())]
}

/// The first part of a server's side of TLS.
pub fn tls() -> rustls::ConfigBuilder<rustls::ServerConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap()
}

type Handler = dyn Fn(&Seen) -> Vec<Act> + Send + Sync;

struct Shared {
    handler: Box<Handler>,
    tls: Option<Arc<rustls::ServerConfig>>,
    reads_bodies: bool,
    log: Mutex<Vec<Seen>>,
    open: Mutex<Vec<TcpStream>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    over: AtomicBool,
}

pub struct Evil {
    address: SocketAddr,
    /// PEM of the certificate, where there is one.
    pub certificate: Option<String>,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Evil {
    pub fn start(handler: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::launch(Box::new(handler), None, None, true)
    }

    /// It answers as soon as it has a request's head, and closes where a body would follow: it reads none.
    pub fn start_early(handler: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::launch(Box::new(handler), None, None, false)
    }

    /// With TLS, for these names.
    pub fn start_tls(names: &[&str], handler: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config =
            tls().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        Self::start_tls_as(config, made.cert.pem(), handler)
    }

    /// With TLS as a test has it.
    pub fn start_tls_as(
        config: rustls::ServerConfig,
        certificate: String,
        handler: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::launch(Box::new(handler), Some(Arc::new(config)), Some(certificate), true)
    }

    fn launch(
        handler: Box<Handler>,
        tls: Option<Arc<rustls::ServerConfig>>,
        certificate: Option<String>,
        reads_bodies: bool,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            handler,
            tls,
            reads_bodies,
            log: Mutex::default(),
            open: Mutex::default(),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || {
                let mut threads = Vec::new();
                for (number, stream) in listener.incoming().enumerate() {
                    if shared.over.load(Ordering::SeqCst) {
                        break;
                    }
                    let Ok(stream) = stream else { continue };
                    shared.open.lock().unwrap().push(stream.try_clone().unwrap());
                    let shared = shared.clone();
                    threads.push(std::thread::spawn(move || shared.serve(stream, number)));
                }
                for thread in threads {
                    thread.join().unwrap();
                }
            }
        });
        Self { address, certificate, shared, accepting: Some(accepting) }
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        self.address.to_string()
    }
    pub fn port(&self) -> u16 {
        self.address.port()
    }
    /// What it was asked, in order.
    pub fn log(&self) -> Vec<Seen> {
        self.shared.log.lock().unwrap().clone()
    }
    /// The same as `METHOD path`.
    pub fn lines(&self) -> Vec<String> {
        self.log().iter().map(Seen::line).collect()
    }
    /// Waits until it was asked for something that `found` knows: what goes on in the background comes later.
    pub fn wait_for(&self, found: impl Fn(&Seen) -> bool) {
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while !self.log().iter().any(&found) {
            assert!(std::time::Instant::now() < until, "it never came: {:?}", self.lines());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    /// The most requests that were being answered at one time.
    pub fn most_at_once(&self) -> usize {
        self.shared.most_at_once.load(Ordering::SeqCst)
    }
}

impl Drop for Evil {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        for stream in self.shared.open.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(accepting) = self.accepting.take() {
            let failed = accepting.join().is_err();
            assert!(!failed || std::thread::panicking(), "the server's handler panicked");
            for seen in self.log() {
                let stray = seen.stray();
                assert!(
                    stray.is_none() || std::thread::panicking(),
                    "a credential in {}: {seen:?}",
                    stray.unwrap()
                );
            }
        }
    }
}

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

impl Shared {
    fn serve(&self, stream: TcpStream, connection: usize) {
        let raw = stream.try_clone().unwrap();
        let wire: Box<dyn Wire> = match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let session = rustls::ServerConnection::new(config.clone()).unwrap();
                Box::new(rustls::StreamOwned::new(session, stream))
            }
        };
        let mut wire = BufReader::new(wire);
        let mut spoken = false;
        while let Some(mut seen) = read_head(&mut wire) {
            spoken = true;
            seen.connection = connection;
            let length = seen.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0_u64);
            {
                let mut log = self.log.lock().unwrap();
                seen.index = log.len();
                log.push(seen.clone());
            }
            let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
            let mut whole = true;
            if self.reads_bodies {
                whole = match seen.header("transfer-encoding") {
                    Some("chunked") => read_chunks(&mut wire, &mut seen.body).is_some(),
                    _ => {
                        let read = wire.by_ref().take(length).read_to_end(&mut seen.body);
                        read.is_ok_and(|read| read as u64 == length)
                    }
                };
                self.log.lock().unwrap()[seen.index].body.clone_from(&seen.body);
            }
            let acts = if whole { (self.handler)(&seen) } else { vec![Act::Close] };
            // Once the client may have its answer, the request is none that is being answered.
            let (before, last) = acts.split_at(acts.len().saturating_sub(1));
            let mut end = self.act(before, &mut wire, &raw);
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            if let End::Open = end {
                end = self.act(last, &mut wire, &raw);
            }
            match end {
                End::Open if self.reads_bodies || length == 0 => {}
                // No shutdown: the last descriptor's close sends the reset.
                End::Reset => return,
                _ => break,
            }
        }
        if !spoken {
            // What the client sent meanwhile is read, or a reset would overtake the alert of TLS.
            let _ = raw.shutdown(Shutdown::Write);
            let _ = std::io::copy(&mut &raw, &mut std::io::sink());
        }
        let _ = raw.shutdown(Shutdown::Both);
    }

    fn act(&self, acts: &[Act], wire: &mut BufReader<Box<dyn Wire>>, raw: &TcpStream) -> End {
        let wire = wire.get_mut();
        for act in acts {
            let done = match act {
                Act::Send(bytes) => wire.write_all(bytes).and_then(|()| wire.flush()),
                Act::Repeat(bytes, times) => {
                    (0..*times).try_for_each(|_| wire.write_all(bytes)).and_then(|()| wire.flush())
                }
                Act::Until(gate) => {
                    gate.wait();
                    Ok(())
                }
                Act::Open(gate) => {
                    gate.open();
                    Ok(())
                }
                Act::Wait(time) => {
                    std::thread::sleep(*time);
                    Ok(())
                }
                Act::Hang => {
                    let _ = std::io::copy(wire, &mut std::io::sink());
                    return End::Closed;
                }
                Act::Close => return End::Closed,
                Act::Reset => {
                    rustix::net::sockopt::set_socket_linger(raw, Some(Duration::ZERO)).unwrap();
                    let peer = raw.peer_addr().ok();
                    self.open.lock().unwrap().retain(|stream| stream.peer_addr().ok() != peer);
                    return End::Reset;
                }
            };
            if done.is_err() {
                return End::Closed;
            }
        }
        End::Open
    }
}

enum End {
    Open,
    Closed,
    Reset,
}

/// A chunked body, or nothing where it ends before its last chunk.
fn read_chunks(wire: &mut impl BufRead, body: &mut Vec<u8>) -> Option<()> {
    loop {
        let mut line = String::new();
        wire.read_line(&mut line).ok()?;
        let length = u64::from_str_radix(line.trim_end(), 16).ok()?;
        let read = wire.by_ref().take(length).read_to_end(body).ok()?;
        line.clear();
        wire.read_line(&mut line).ok()?;
        if read as u64 != length || line != "\r\n" {
            return None;
        }
        if length == 0 {
            return Some(());
        }
    }
}

fn read_head(wire: &mut BufReader<Box<dyn Wire>>) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match wire.read_line(&mut line) {
            Ok(0) | Err(_) => return None,
            Ok(_) if line.trim_end().is_empty() => break,
            Ok(_) => lines.push(line.trim_end().to_owned()),
        }
    }
    let mut words = lines.first()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Seen { method, path, headers, ..Seen::default() })
}
