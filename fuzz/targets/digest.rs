//! Oracle: what parses is written as it was read; the digest of the bytes is the same whole and in pieces, parses, and
//! verifies these bytes and no others.

use cldoci::Kind;
use cldoci::oci::{Algorithm, Digest, Hasher};

pub fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        match text.parse::<Digest>() {
            Ok(digest) => {
                assert_eq!(digest.as_str(), text);
                assert_eq!(format!("{}:{}", digest.algorithm().name(), digest.hex()), text);
                assert_eq!(digest.hex().len(), digest.algorithm().hex_length());
                assert!(digest.hex().bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
                assert!(!digest.verify(data), "no text has its own digest in it");
                let json = serde_json::to_vec(&digest).unwrap();
                assert_eq!(serde_json::from_slice::<Digest>(&json).unwrap(), digest);
            }
            Err(error) => super::room::is_plain(&error, &[Kind::Argument]),
        }
    }
    let piece = usize::from(data.first().copied().unwrap_or(0)) + 1;
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let (mut whole, mut pieces) = (Hasher::new(algorithm), Hasher::new(algorithm));
        whole.update(data);
        data.chunks(piece).for_each(|piece| pieces.update(piece));
        let digest = whole.finish();
        assert_eq!(digest, pieces.finish());
        assert_eq!(digest.as_str().parse::<Digest>().unwrap(), digest);
        assert!(digest.verify(data) && !digest.verify(&[data, b"x"].concat()));
    }
}
