//! Content digests (image-spec, descriptor.md "Digests").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::error::{Error, Kind, Result, printable};

/// The algorithms that are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `sha256`, what everybody uses.
    Sha256,
    /// `sha512`.
    Sha512,
}

impl Algorithm {
    /// As it is written before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hexadecimal digits follow the colon.
    pub fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// A whole digest of a known algorithm, in lower case. Safe in a path and in a URL by construction.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    algorithm: Algorithm,
    text: Box<str>,
}

impl Digest {
    /// The sha256 of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// `sha256:…`
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `sha256-…`, cut as distribution-spec has it: what begins the tags that belong to a manifest.
    pub fn as_tag(&self) -> String {
        let hex: String = self.hex().chars().take(64).collect();
        format!("{}-{hex}", self.algorithm.name())
    }

    /// What stands before the colon.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hexadecimal digits.
    pub fn hex(&self) -> &str {
        self.text.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// Whether `bytes` have this digest.
    pub fn verify(&self, bytes: &[u8]) -> bool {
        let mut hasher = Hasher::new(self.algorithm);
        hasher.update(bytes);
        hasher.finish() == *self
    }
}

impl FromStr for Digest {
    type Err = Error;

    /// Kind `Argument`; whoever reads a server's text maps it to `Protocol`.
    fn from_str(text: &str) -> Result<Self> {
        let bad =
            |why: String| Error::new(Kind::Argument, format!("invalid digest '{}': {why}", printable(text)));
        let Some((name, hex)) = text.split_once(':') else {
            return Err(bad("missing ':'".to_owned()));
        };
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => {
                return Err(bad(format!(
                    "unknown algorithm '{}' (known are sha256 and sha512)",
                    printable(name)
                )));
            }
        };
        if let Some(wrong) = hex.chars().find(|c| !matches!(c, '0'..='9' | 'a'..='f')) {
            return Err(bad(format!(
                "character '{}' (lower-case hexadecimal digits only)",
                printable(wrong.to_string())
            )));
        }
        if hex.len() != algorithm.hex_length() {
            return Err(bad(format!("{} hex digits, must be {}", hex.len(), algorithm.hex_length())));
        }
        Ok(Self { algorithm, text: text.into() })
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.text.into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The bytes of the sha256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

/// Hashes what passes.
#[derive(Clone)]
pub struct Hasher(Inner);

#[derive(Clone)]
enum Inner {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// An empty hash.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => Inner::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => Inner::Sha512(sha2::Sha512::new()),
        })
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Inner::Sha256(hash) => hash.update(bytes),
            Inner::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of all that came in.
    pub fn finish(self) -> Digest {
        let (algorithm, digits) = match self.0 {
            Inner::Sha256(hash) => (Algorithm::Sha256, base16ct::lower::encode_string(&hash.finalize())),
            Inner::Sha512(hash) => (Algorithm::Sha512, base16ct::lower::encode_string(&hash.finalize())),
        };
        Digest { algorithm, text: [algorithm.name(), ":", &digits].concat().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_JSON: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn known_digests() {
        assert_eq!(Digest::of(b"{}").as_str(), EMPTY_JSON);
        let mut hasher = Hasher::new(Algorithm::Sha512);
        hasher.update(b"abc");
        assert!(hasher.finish().as_str().starts_with("sha512:ddaf35a193617abacc417349ae204131"));
    }

    #[test]
    fn r_04_digests_that_are_not_whole_are_refused_with_the_reason() {
        for (text, why) in [
            ("sha256:abc123", "6 hex digits, must be 64"),
            (&format!("sha256:{}", "a".repeat(63)), "63 hex digits"),
            (&format!("sha256:{}", "a".repeat(65)), "65 hex digits"),
            (&format!("sha256:{}", "A".repeat(64)), "lower-case"),
            ("sha256:../../x", "character '.'"),
            ("sha256:a/b?x=1#f", "character '/'"),
            (&format!("SHA256:{}", "a".repeat(64)), "known are sha256 and sha512"),
            ("md5:00", "known are sha256 and sha512"),
            ("sha256:a:b", "character ':'"),
            ("nothing", "invalid digest 'nothing': missing ':'"),
        ] {
            let error = text.parse::<Digest>().unwrap_err();
            assert!(error.message().contains(why), "{text}: {error}");
        }
        let huge = format!("sha256:{}", "a".repeat(1 << 20));
        assert!(huge.parse::<Digest>().unwrap_err().message().len() < 1000);
        assert!(EMPTY_JSON.parse::<Digest>().is_ok());
    }
}
