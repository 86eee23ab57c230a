//! Real registries and a real proxy, started by the tests on free loopback ports and ended with their handle.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

/// Whether nothing may be left out.
pub fn strict() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true") || std::env::var_os("CLDOCI_REQUIRE_TOOLS").is_some()
}

/// A program of `build/tools/bin`, or `None` with one line that says what is left out. Where nothing may be
/// left out, a missing program fails the test.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/tools/bin").join(name);
    if path.is_file() {
        return Some(path);
    }
    assert!(!strict(), "{name} is missing: run scripts/install-tools.sh");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    #[expect(clippy::print_stderr, reason = "whoever runs the tests must see what is left out")]
    {
        eprintln!("left out: {test} ({name} is missing; scripts/install-tools.sh installs it)");
    }
    None
}

const BUCKET: &str = "registry";
const S3_KEY: &str = "tests";
const S3_SECRET: &str = "canary-of-storage";

/// A running server. Dropping it ends the process and removes what it stored.
pub struct Server {
    child: Child,
    /// What ends it: nginx's worker ends only when its master is asked to end.
    signal: Signal,
    /// Host and port.
    pub address: String,
    /// Its files: `log`, and what the kind of server keeps there.
    pub directory: TempDir,
}

impl Server {
    /// CNCF Distribution 3.
    pub fn distribution3() -> Option<Self> {
        Self::distribution("registry3", "")
    }

    /// Docker's Distribution 2.
    pub fn distribution2() -> Option<Self> {
        Self::distribution("registry2", "")
    }

    /// Distribution (`registry2` or `registry3`) with more lines of configuration, for one behind a proxy or
    /// with authentication.
    pub fn distribution(program: &str, more: &str) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let storage = format!("filesystem: {{ rootdirectory: {} }}", directory.path().join("data").display());
        Self::distribution_with(program, directory, &storage, more)
    }

    /// Distribution 3 that keeps what it has in the storage of [`Self::s3`] at this address: a read of a blob is
    /// answered with a signed URL there.
    pub fn distribution_on_s3(address: &str) -> Option<Self> {
        let storage = format!(
            "s3: {{ region: us-east-1, regionendpoint: 'http://{address}', forcepathstyle: true, secure: false, \
             bucket: {BUCKET}, accesskey: {S3_KEY}, secretkey: {S3_SECRET} }}"
        );
        Self::distribution_with("registry3", TempDir::new().unwrap(), &storage, "")
    }

    fn distribution_with(program: &str, directory: TempDir, storage: &str, more: &str) -> Option<Self> {
        let program = tool(program)?;
        let config = directory.path().join("config.yml");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog: {{ level: warn, accesslog: {{ disabled: true }} }}\nstorage:\n  \
                 {storage}\n  delete: {{ enabled: true }}\nhttp: {{ addr: '127.0.0.1:0' }}\n{more}"
            ),
        )
        .unwrap();
        let mut command = Command::new(program);
        command.arg("serve").arg(&config);
        Some(Self::listening(command, directory))
    }

    /// go-containerregistry's registry, on disk.
    pub fn crane() -> Option<Self> {
        let program = tool("crane")?;
        let directory = TempDir::new().unwrap();
        let data = directory.path().join("data");
        fs::create_dir(&data).unwrap();
        let mut command = Command::new(program);
        command.args(["registry", "serve", "--address", "127.0.0.1:0", "--disk"]).arg(&data);
        Some(Self::listening(command, directory))
    }

    /// The registry of CUE's libraries, in memory.
    pub fn cue() -> Option<Self> {
        let mut command = Command::new(tool("cue-registry")?);
        command.arg("127.0.0.1:0");
        Some(Self::listening(command, TempDir::new().unwrap()))
    }

    /// S3 on disk, with one bucket; it verifies signatures.
    pub fn s3() -> Option<Self> {
        let program = tool("versitygw")?;
        let directory = TempDir::new().unwrap();
        let (data, sidecar) = (directory.path().join("data"), directory.path().join("sidecar"));
        fs::create_dir_all(data.join(BUCKET)).unwrap();
        fs::create_dir(&sidecar).unwrap();
        let mut command = Command::new(program);
        command.args(["--port", "127.0.0.1:0", "--region", "us-east-1", "--quiet"]);
        command
            .args(["--access", S3_KEY, "--secret", S3_SECRET, "posix", "--sidecar"])
            .arg(sidecar)
            .arg(data);
        Some(Self::listening(command, directory))
    }

    /// nginx with these lines inside its `server` block; `listen` says what follows the address (`ssl http2`).
    /// Every request that arrives is a line of `access`: method, target, protocol, status.
    pub fn nginx(listen: &str, server: &str) -> Option<Self> {
        let program = tool("nginx")?;
        let directory = TempDir::new().unwrap();
        // nginx inherits the listening socket, so that no other program can take the port first.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let root = directory.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {root}/{kind};\n"))
            .collect();
        let config = directory.path().join("nginx.conf");
        fs::write(
            &config,
            format!(
                "user root root;\ndaemon off;\nworker_processes 1;\npid {root}/pid;\nerror_log {root}/log warn;\n\
                 events {{ worker_connections 256; }}\nhttp {{\n{temporary}\
                 log_format line '$request_method $request_uri $server_protocol $status';\n\
                 access_log {root}/access line;\n\
                 server {{\nlisten {address} {listen};\nserver_name localhost;\n{server}\n}}\n}}\n"
            ),
        )
        .unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exec 3<&0 </dev/null; exec \"$@\"", "sh"]).arg(program);
        command.arg("-e").arg(directory.path().join("log"));
        command.arg("-p").arg(directory.path()).arg("-c").arg(&config).env("NGINX", "3;");
        let child = dying_with_us(command, "TERM")
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { child, signal: Signal::TERM, address, directory };
        server.wait_until(|server| server.directory.path().join("pid").exists().then_some(()));
        Some(server)
    }

    /// The requests that reached nginx, from its log.
    pub fn access(&self) -> Vec<String> {
        let log = fs::read_to_string(self.directory.path().join("access")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// A reference to `name` on this server.
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Starts a server that binds port 0, and reads the port from the kernel.
    fn listening(command: Command, directory: TempDir) -> Self {
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let child = dying_with_us(command, "KILL")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self { child, signal: Signal::KILL, address: String::new(), directory };
        let port = server.wait_until(|server| listening_port(server.child.id()));
        server.address = format!("127.0.0.1:{port}");
        server
    }

    /// Polls until the server is ready; one that ends before that shows its log.
    fn wait_until<T>(&mut self, ready: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(value) = ready(self) {
                return value;
            }
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                panic!("the server is not ready ({ended:?}): {log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), self.signal);
        let _ = self.child.wait();
    }
}

/// The command so that the kernel ends it when the test that started it is killed.
fn dying_with_us(command: Command, signal: &str) -> Command {
    const SETPRIV: &str = "/usr/bin/setpriv";
    if !Path::new(SETPRIV).exists() {
        return command;
    }
    let mut wrapped = Command::new(SETPRIV);
    wrapped.args(["--pdeathsig", signal, "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            wrapped.env(name, value);
        }
    }
    wrapped
}

/// The port on which a process listens: of its sockets, the one in state 0A (LISTEN) of the kernel's table.
fn listening_port(pid: u32) -> Option<u16> {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).ok()?.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == "0A" && sockets.iter().any(|inode| inode == fields[9]) {
                return u16::from_str_radix(fields[1].rsplit(':').next()?, 16).ok();
            }
        }
    }
    None
}

/// A certificate authority of the test's own, with a server's and a client's certificate in PEM files.
pub struct Certificates {
    /// The files: `ca.pem`, `server.pem`, `server.key`, `client.pem`, `client.key`.
    pub directory: TempDir,
}

impl Certificates {
    /// Makes them for `localhost` and 127.0.0.1.
    pub fn new() -> Self {
        use rcgen::{
            BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
        };
        let directory = TempDir::new().unwrap();
        let write = |name: &str, text: String| fs::write(directory.path().join(name), text).unwrap();

        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        // rcgen gives all the same name, and OpenSSL takes one that names itself as its issuer for self-signed.
        authority.distinguished_name.push(DnType::CommonName, "the authority of the tests");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        write("ca.pem", authority.self_signed(&authority_key).unwrap().pem());
        let issuer = Issuer::new(authority, authority_key);

        for (name, usage) in
            [("server", ExtendedKeyUsagePurpose::ServerAuth), ("client", ExtendedKeyUsagePurpose::ClientAuth)]
        {
            let mut params =
                CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate().unwrap();
            write(&format!("{name}.pem"), params.signed_by(&key, &issuer).unwrap().pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Self { directory }
    }

    /// One of the files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// Runs a peer, which must succeed, and gives what it printed. Its home is `home`, so that it finds and leaves
/// nothing of the developer's own.
pub fn peer(program: &Path, arguments: &[&str], home: &Path) -> Vec<u8> {
    let output = Command::new(program).args(arguments).env("HOME", home).current_dir(home).output().unwrap();
    assert!(
        output.status.success(),
        "{} {}: {}{}",
        program.display(),
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
