//! Layers that a caller brings: bytes, a file, or whatever a reader gives.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use super::{Client, Content, Layer};
use crate::error::{Error, Result};
use crate::fs::for_each_chunk;
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
        let (mut hasher, mut size) = (Hasher::new(Algorithm::Sha256), 0);
        for_each_chunk(&mut File::open(&path).map_err(failed)?, failed, |chunk| {
            hasher.update(chunk);
            size += chunk.len() as u64;
            Ok(())
        })?;
        let descriptor = Descriptor::new(media_type, hasher.finish(), size);
        Ok(Self { descriptor, content: Content::File(path) })
    }
}

impl Client {
    /// A layer of what `reader` gives, kept in the store as long as an artifact refers to it. Blocks.
    pub fn layer_from_reader(&self, media_type: &str, reader: &mut dyn Read) -> Result<Layer> {
        let mut spool = self.spooling()?.spool()?;
        let failed = |error| Error::io("the layer's reader", error);
        for_each_chunk(reader, failed, |chunk| spool.write_all(chunk).map_err(failed))?;
        let spool = spool.finish()?;
        let descriptor = Descriptor::new(media_type, spool.digest().clone(), spool.size());
        Ok(Layer { descriptor, content: Content::Spooled(Arc::new(spool)) })
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
