//! Signatures that company authorities make and ring does not verify: ECDSA with P-521, and with SHA-512 whatever the
//! curve (Q115). Verified by RustCrypto's curves, beside what ring verifies; keys are exchanged by ring alone.

use std::sync::{Arc, LazyLock};

use p521::ecdsa::signature::hazmat::PrehashVerifier;
use rustls::SignatureScheme;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use sha2::{Digest, Sha256, Sha384, Sha512};

type Algorithm = &'static dyn SignatureVerificationAlgorithm;
type Verified = std::result::Result<(), InvalidSignature>;

/// One curve with one hash.
#[derive(Debug)]
struct Ecdsa {
    curve: AlgorithmIdentifier,
    signed: AlgorithmIdentifier,
    hash: fn(&[u8]) -> Vec<u8>,
    verify: fn(&[u8], &[u8], &[u8]) -> Verified,
}

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Verified {
        (self.verify)(public_key, &(self.hash)(message), signature)
    }
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.curve
    }
    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signed
    }
}

macro_rules! verifier {
    ($name:ident, $curve:ident) => {
        fn $name(public_key: &[u8], hash: &[u8], signature: &[u8]) -> Verified {
            let key =
                $curve::ecdsa::VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
            let signature = $curve::ecdsa::Signature::from_der(signature).map_err(|_| InvalidSignature)?;
            key.verify_prehash(hash, &signature).map_err(|_| InvalidSignature)
        }
    };
}
verifier!(by_p256, p256);
verifier!(by_p384, p384);
verifier!(by_p521, p521);

fn sha_256(message: &[u8]) -> Vec<u8> {
    wide(&Sha256::digest(message))
}
fn sha_384(message: &[u8]) -> Vec<u8> {
    wide(&Sha384::digest(message))
}
fn sha_512(message: &[u8]) -> Vec<u8> {
    wide(&Sha512::digest(message))
}

/// The same number in as many bytes as P-521 wants at least; the curves below get none that is shorter than theirs.
fn wide(hash: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; Sha512::output_size() - hash.len()];
    bytes.extend_from_slice(hash);
    bytes
}

static P521_SHA256: Ecdsa =
    Ecdsa { curve: alg_id::ECDSA_P521, signed: alg_id::ECDSA_SHA256, hash: sha_256, verify: by_p521 };
static P521_SHA384: Ecdsa =
    Ecdsa { curve: alg_id::ECDSA_P521, signed: alg_id::ECDSA_SHA384, hash: sha_384, verify: by_p521 };
static P521_SHA512: Ecdsa =
    Ecdsa { curve: alg_id::ECDSA_P521, signed: alg_id::ECDSA_SHA512, hash: sha_512, verify: by_p521 };
static P384_SHA512: Ecdsa =
    Ecdsa { curve: alg_id::ECDSA_P384, signed: alg_id::ECDSA_SHA512, hash: sha_512, verify: by_p384 };
static P256_SHA512: Ecdsa =
    Ecdsa { curve: alg_id::ECDSA_P256, signed: alg_id::ECDSA_SHA512, hash: sha_512, verify: by_p256 };

/// For a server's own signature: TLS 1.3 takes the first alone, TLS 1.2 any.
static BY_SHA512: [Algorithm; 3] = [&P521_SHA512, &P384_SHA512, &P256_SHA512];

static ALL: LazyLock<Vec<Algorithm>> = LazyLock::new(|| {
    let known = ring::default_provider().signature_verification_algorithms.all;
    let more: [Algorithm; 5] = [&P521_SHA512, &P521_SHA384, &P521_SHA256, &P384_SHA512, &P256_SHA512];
    known.iter().copied().chain(more).collect()
});
static MAPPING: LazyLock<Vec<(SignatureScheme, &'static [Algorithm])>> = LazyLock::new(|| {
    let known = ring::default_provider().signature_verification_algorithms.mapping;
    let more: (_, &'static [Algorithm]) = (SignatureScheme::ECDSA_NISTP521_SHA512, &BY_SHA512);
    known.iter().copied().chain([more]).collect()
});

/// Ring, and these signatures.
pub(super) fn provider() -> CryptoProvider {
    let signature_verification_algorithms = WebPkiSupportedAlgorithms { all: &ALL, mapping: &MAPPING };
    CryptoProvider { signature_verification_algorithms, ..ring::default_provider() }
}

/// The process's own choice, which a Rust host may have made, or ours.
pub(super) fn chosen() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(provider()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signatures of `message` by OpenSSL: `openssl dgst -sha512 -sign key.pem`.
    const KEYS: [(&str, &str); 3] = [
        (
            "P256",
            "04efe303a14b0450b9f062b5f01bf2bcc00c6c76c030d2159656da772898b7f4e5b5a411fd96e6a3de353aea15f7957e50e49f9362cf36b41e8f9396882b62c759",
        ),
        (
            "P384",
            "048c86815056b67fbe6c6386aa548e243bcb583bcf1639bd878cd389ea453db24ab440b63d9a5a6bd5cce0ad364579f51dc94f1a97e189b46275ffdb5ef95074a623441bf7cbeccd3434b1d667acfed46141dfd46712393dd836368faab8270aab",
        ),
        (
            "P521",
            "0400c46ce8916c3c6785abe0a8335c88d24a75915580220d0a9cb914bfd16273f6af0f10f068d9c1cab6ea4f15291f9c7a10db901922179d8fd4adcc4e973244708b1901b46d870152182f56e04b8630ba8d516bfdfd928834a2970fd345cb8f9c39cdf09dc3ddde07635ae6d0661ab2ad0f976b253b52a64c2e9378f302d8c00ea9c77674",
        ),
    ];
    const SIGNATURES: [(&str, &Ecdsa, &str); 5] = [
        (
            "P256",
            &P256_SHA512,
            "3045022100b8a3e5d3bae7aad30e84fc7ed87690add530629a425d59bdcef842ac01a359a9022017e9d3fb1f854769bcd172b28103e68b1e3db59f93e75596b42322516c3b72d9",
        ),
        (
            "P384",
            &P384_SHA512,
            "306402307413445860959d654c337b6f79fa31c333396970a0e2b2ed542355d9a2d404cf28c0ef45e2e9753b00d1c0e166345fb002307eda37ea06194bdadd47eb08cebac89c87f062fc9ca142db8a788e7ff7269fbcdadf2b59e55821b46e2186b3af328d40",
        ),
        (
            "P521",
            &P521_SHA256,
            "30818802420184173a8cf451f12ade1b3502011cce79da47e67b72add97b15db488b636c3adc4e64534481a43185d02a7c19ba3dee655ff0356c38eb57e9d7be5326f06edbe0f2024201dd6701d61fae2e05662d432f48866172f75f8f1ea60e7fd1fc6b5be8732aabb4bc59de473124b2992ef77fefe9049ce2b97e22a098230711138176d94365f4c0ac",
        ),
        (
            "P521",
            &P521_SHA384,
            "3081880242014b8acd220c472c1f3327e9f6e931876d33660d94012ef0d94b55488a461845a5e33f5e4363c96363d0969def55dc3e4430e389c6114a68383f55d53954e497643e024200a684097640e9e03e5992aaad3fc182c39822941d4f684fd92ef9d66fb4ab8d77695b3251eed85b7383cf462c43c669cf11483bf1a4935a5e072dc1e8fbbc8b76b6",
        ),
        (
            "P521",
            &P521_SHA512,
            "3081870242018eb43d14312a2960b440dd44ec30001fab2033b5ba5601e3d13c3cf5251b9e205d318a85001f2d71f4bb5dae86ab91502bc64a70a3fe2ea660279041cae58cf21f024179a9a77bd8d09b06aba8910bc05387f3226b839987a1ea48a78635502309664432770855f4a98ab37e31a8e318d340e3d62e74ab8d990671711303edbb053736bb",
        ),
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn q115_signatures_of_openssl_verify_and_no_others() {
        for (curve, algorithm, signature) in SIGNATURES {
            let key = bytes(KEYS.iter().find(|(name, _)| *name == curve).unwrap().1);
            let signature = bytes(signature);
            algorithm.verify_signature(&key, b"message", &signature).unwrap();
            assert!(algorithm.verify_signature(&key, b"massage", &signature).is_err(), "{curve}");
            for at in 0..signature.len() {
                let mut bent = signature.clone();
                bent[at] ^= 1;
                assert!(algorithm.verify_signature(&key, b"message", &bent).is_err(), "{curve} {at}");
            }
            for at in [0, 1, key.len() - 1] {
                let mut bent = key.clone();
                bent[at] ^= 1;
                assert!(
                    algorithm.verify_signature(&bent, b"message", &signature).is_err(),
                    "{curve} key {at}"
                );
            }
            // Another hash, another curve, and nothing.
            for (_, other, _) in SIGNATURES.iter().filter(|(_, other, _)| !std::ptr::eq(*other, algorithm)) {
                assert!(other.verify_signature(&key, b"message", &signature).is_err(), "{curve} {other:?}");
            }
            assert!(algorithm.verify_signature(&[], b"message", &signature).is_err());
            assert!(algorithm.verify_signature(&key, b"message", &[]).is_err());
        }
    }

    #[test]
    fn q115_nothing_is_verified_twice_and_all_of_ring_is_there() {
        let (ours, rings) = (provider(), ring::default_provider());
        let all = ours.signature_verification_algorithms.all;
        let known = rings.signature_verification_algorithms.all;
        assert_eq!(all.len(), known.len() + 5);
        let name = |one: &Algorithm| (one.public_key_alg_id(), one.signature_alg_id());
        for one in all.get(known.len()..).unwrap() {
            assert!(!known.iter().any(|known| name(known) == name(one)), "{one:?}");
        }
        let schemes = ours.signature_verification_algorithms.supported_schemes();
        assert_eq!(schemes.last(), Some(&SignatureScheme::ECDSA_NISTP521_SHA512));
    }
}
