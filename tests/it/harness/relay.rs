//! A server that hands bytes on to another and, once so many went by, breaks all its connections and is gone for a
//! while: nothing listens at its port then.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What happens once so many bytes went by.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// The connections break, and nothing listens for this long.
    Gone(Duration),
    /// What comes is not read any more, until the relay is told to go on.
    Stuck,
}

pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    target: String,
    fate: Fate,
    /// How many bytes go by before that.
    left: Mutex<Option<u64>>,
    fallen: AtomicBool,
    freed: AtomicBool,
    over: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// Hands on to `target` (HOST:PORT); `after` counts the bytes of both directions.
    pub fn start(target: &str, after: u64, fate: Fate) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            fate,
            left: Mutex::new(Some(after)),
            fallen: AtomicBool::new(false),
            freed: AtomicBool::new(false),
            over: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || shared.accept(listener, address)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Whether its fate has come.
    pub fn has_fallen(&self) -> bool {
        self.shared.fallen.load(Ordering::SeqCst)
    }

    /// What was stuck breaks; what comes from here on is handed on.
    pub fn go_on(&self) {
        self.shared.freed.store(true, Ordering::SeqCst);
        self.shared.break_all();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.shared.break_all();
        self.accepting.take().unwrap().join().unwrap();
    }
}

const TURN: Duration = Duration::from_millis(2);

impl Shared {
    fn over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn break_all(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn accept(self: Arc<Self>, listener: TcpListener, address: SocketAddr) {
        listener.set_nonblocking(true).unwrap();
        let mut listener = Some(listener);
        let mut threads = Vec::new();
        while !self.over() {
            if let (true, Fate::Gone(gone), Some(_)) = (
                self.fallen.load(Ordering::SeqCst) && !self.freed.load(Ordering::SeqCst),
                self.fate,
                &listener,
            ) {
                drop(listener.take());
                self.break_all();
                let until = std::time::Instant::now() + gone;
                while std::time::Instant::now() < until && !self.over() {
                    std::thread::sleep(TURN);
                }
                self.freed.store(true, Ordering::SeqCst);
                let again = TcpListener::bind(address).unwrap();
                again.set_nonblocking(true).unwrap();
                listener = Some(again);
            }
            let Some(Ok((client, _))) = listener.as_ref().map(TcpListener::accept) else {
                std::thread::sleep(TURN);
                continue;
            };
            client.set_nonblocking(false).unwrap();
            let Ok(server) = TcpStream::connect(&self.target) else { continue };
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let own = self.clone();
                threads.push(std::thread::spawn(move || own.hand_on(from, to)));
            }
            self.open.lock().unwrap().extend([client, server]);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }

    fn hand_on(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read) = from.read(&mut buffer) {
            if read == 0 || to.write_all(&buffer[..read]).is_err() {
                break;
            }
            self.count(read as u64);
            while self.fallen.load(Ordering::SeqCst) && !self.freed.load(Ordering::SeqCst) && !self.over() {
                std::thread::sleep(TURN);
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    fn count(&self, bytes: u64) {
        let mut left = self.left.lock().unwrap();
        if let Some(now) = *left {
            *left = now.checked_sub(bytes);
            if left.is_none() {
                self.fallen.store(true, Ordering::SeqCst);
            }
        }
    }
}
