//! A real registry (CNCF Distribution 3) on a free loopback port, gone with its value.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

pub struct Real {
    child: Child,
    drain: Option<std::thread::JoinHandle<()>>,
    pub address: String,
    _directory: tempfile::TempDir,
}

/// A tool that `scripts/install-tools.sh` put in place. Without it the test is left out, but not in CI.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("build/tools/bin").join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CLDOCI_REQUIRE_TOOLS").is_none() && std::env::var_os("CI").is_none(),
        "{name} is missing: run scripts/install-tools.sh"
    );
    println!("left out: {name} is missing (scripts/install-tools.sh installs it)");
    None
}

impl Real {
    pub fn start() -> Option<Self> {
        let binary = tool("registry3")?;
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{ level: info, accesslog: {{ disabled: true }} }}\nstorage:\n  filesystem: {{ rootdirectory: {}/data }}\n  delete: {{ enabled: true }}\nhttp: {{ addr: '127.0.0.1:0' }}\n",
            directory.path().display()
        );
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new(binary)
            .arg("serve")
            .arg(&config)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the registry ended").unwrap();
            if let Some(at) = line.find("listening on ") {
                let rest = &line[at + "listening on ".len()..];
                break rest.split(['"', ' ', ',']).next().unwrap().to_owned();
            }
        };
        let drain = std::thread::spawn(move || lines.for_each(drop));
        Some(Self { child, drain: Some(drain), address, _directory: directory })
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(drain) = self.drain.take() {
            let _ = drain.join();
        }
    }
}
