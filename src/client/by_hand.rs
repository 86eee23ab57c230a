//! Layers that a caller brings: bytes, a file, or whatever a reader gives.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use super::{Client, Content, Layer};
use crate::error::{Error, Result};
use crate::oci::{Algorithm, Descriptor, Hasher};

impl Layer {
    /// A layer of these bytes.
    pub fn from_bytes(media_type: &str, bytes: &[u8]) -> Self {
        Self { descriptor: Descriptor::of(media_type, bytes), content: Content::Bytes(Arc::from(bytes)) }
    }

    /// A layer of a file, which is read once for its digest and must then stay as it is until the artifact is
    /// pushed. Blocks.
    pub fn from_file(media_type: &str, path: &Path) -> Result<Self> {
        let failed = |e| Error::io(path.display(), e);
        let path = std::path::absolute(path).map_err(failed)?;
        let mut hasher = Hash(Hasher::new(Algorithm::Sha256));
        let size = copy(&mut File::open(&path).map_err(failed)?, &mut hasher).map_err(failed)?;
        let descriptor = Descriptor::new(media_type, hasher.0.finish(), size);
        Ok(Self { descriptor, content: Content::File(path) })
    }
}

impl Client {
    /// A layer of what `reader` gives, kept in the store as long as an artifact refers to it. Blocks.
    pub fn layer_from_reader(&self, media_type: &str, reader: &mut dyn Read) -> Result<Layer> {
        let mut spool = self.spooling()?.spool()?;
        copy(reader, &mut spool).map_err(|e| Error::io("the layer's reader", e))?;
        let spool = spool.finish()?;
        let descriptor = Descriptor::new(media_type, spool.digest().clone(), spool.size());
        Ok(Layer { descriptor, content: Content::Spooled(Arc::new(spool)) })
    }
}

struct Hash(Hasher);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As `io::copy`, with a buffer that is not on the caller's small stack.
fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<u64> {
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(size),
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        to.write_all(buffer.get(..count).unwrap_or_default())?;
        size += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Environment, Options};

    #[test]
    fn bytes_a_file_and_a_reader_make_the_same_layer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("layer");
        let content = vec![7u8; 600_000];
        std::fs::write(&path, &content).unwrap();
        let mut options = Options::new();
        options.set_path("store", directory.path().join("store")).unwrap();
        let client = Client::with_environment(&options, Environment::default()).unwrap();

        let bytes = Layer::from_bytes("a/b", &content);
        let file = Layer::from_file("a/b", &path).unwrap();
        let reader = client.layer_from_reader("a/b", &mut &content[..]).unwrap();
        assert_eq!(bytes.descriptor.size, 600_000);
        assert_eq!((&bytes.descriptor, &bytes.descriptor), (&file.descriptor, &reader.descriptor));

        // Without a store it lies in a private one, which lives as long as the layer does.
        options.set("store", "off").unwrap();
        let client = Client::with_environment(&options, Environment::default()).unwrap();
        let Content::Spooled(spool) = client.layer_from_reader("a/b", &mut &content[..]).unwrap().content
        else {
            panic!("not spooled");
        };
        drop(client);
        let mut back = Vec::new();
        spool.open().unwrap().read_to_end(&mut back).unwrap();
        assert_eq!(back, content);

        let error = Layer::from_file("a/b", &directory.path().join("absent")).unwrap_err();
        assert!(error.message().contains("absent: No such file"), "{error}");
    }
}
