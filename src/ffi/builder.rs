//! `cldoci_artifact_builder`: an artifact put together by hand.

use std::collections::BTreeMap;
use std::ffi::{c_char, c_void};
use std::io::{self, Read};
use std::sync::Mutex;

use super::artifact::ArtifactObject;
use super::status::cldoci_status;
use super::support::handle::{self, Object};
use super::support::strings::{bytes, optional_text, path, text};
use super::support::verb::ClientObject;
use super::support::{guard, lock};
use super::types::{cldoci_artifact, cldoci_artifact_builder, cldoci_client, cldoci_error};
use crate::client::{ArtifactBuilder, Client, Layer};
use crate::error::{Error, Kind, Result, printable};
use crate::oci::{ArtifactKind, check_media_type};

/// Reads the next bytes of a layer into `buffer`, at most `size`. Return how many there were, 0 at the end, or a
/// negative number to give up.
pub type cldoci_reader =
    Option<unsafe extern "C" fn(buffer: *mut u8, size: usize, user_data: *mut c_void) -> i64>;

pub(super) struct BuilderObject {
    client: Client,
    parts: Mutex<Parts>,
}

struct Parts {
    kind: ArtifactKind,
    config: Option<Vec<u8>>,
    layers: Vec<Layer>,
    annotations: BTreeMap<String, String>,
}

impl Object for BuilderObject {
    type Opaque = cldoci_artifact_builder;
    const TYPE: u8 = 7;
    const NAME: &'static str = "cldoci_artifact_builder";
}

impl BuilderObject {
    /// The media type of a layer: the caller's, else the kind's.
    fn layer_type(&self, media_type: Option<&str>) -> Result<String> {
        match media_type {
            Some(given) => check_media_type(given).map(|()| given.to_owned()),
            None => Ok(lock(&self.parts).kind.layer_media_type().to_owned()),
        }
    }

    fn add(&self, layer: Layer) {
        lock(&self.parts).layers.push(layer);
    }
}

impl Parts {
    fn finish(&self) -> Result<crate::client::Artifact> {
        let mut builder = ArtifactBuilder::new(self.kind.clone());
        if let Some(config) = &self.config {
            builder = builder.config(config.clone());
        }
        builder = self.layers.iter().cloned().fold(builder, ArtifactBuilder::layer);
        self.annotations.iter().fold(builder, |builder, (key, value)| builder.annotation(key, value)).finish()
    }
}

fn no_layer(layer: usize, count: usize) -> Error {
    Error::new(
        Kind::Argument,
        format!("argument 'layer' is {layer}, must be less than the number of layers, {count}"),
    )
}

/// A function of the caller's as a `Read`. It is called on the caller's own thread, in the call that took it.
struct Reader {
    function: unsafe extern "C" fn(*mut u8, usize, *mut c_void) -> i64,
    user_data: *mut c_void,
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the caller gave this function for this user_data, and `into` has the length that it is told.
        let count = unsafe { (self.function)(into.as_mut_ptr(), into.len(), self.user_data) };
        let told = usize::try_from(count).map_err(|_| {
            io::Error::from(Error::new(Kind::Cancelled, format!("the reader gave up with {count}")))
        })?;
        if told > into.len() {
            let why = format!("the reader gave {told} bytes where {} were asked for", into.len());
            return Err(Error::new(Kind::Argument, why).into());
        }
        Ok(told)
    }
}

/// Makes a builder for an artifact without layers and with the empty config `{}`. For a type of your own, that
/// config has the media type `application/vnd.oci.empty.v1+json` and the manifest's `artifactType` is
/// `artifact_type`, whatever the layers are. For the three named types the config's media type says what the
/// artifact is.
///
/// @param client         borrowed, not NULL: its store keeps what readers give
/// @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter`, `module`, or a media type
///                       of your own
/// @param builder        out, not NULL: set to NULL, on success to a builder that you free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_builder_new(
    client: *const cldoci_client,
    artifact_type: *const c_char,
    builder: *mut *mut cldoci_artifact_builder,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::new_handle(error, builder, "builder", || {
        let client = handle::get::<ClientObject>(client)?.client.clone();
        let kind = ArtifactKind::from_name(text(artifact_type, "artifact_type")?)?;
        let parts = Parts { kind, config: None, layers: Vec::new(), annotations: BTreeMap::new() };
        Ok(BuilderObject { client, parts: Mutex::new(parts) })
    })
}

/// Sets the config's bytes, which stay unchanged. Only a type of your own can have another media type for it.
///
/// @param media_type   borrowed, may be NULL, UTF-8: the type's own; copied
/// @param config       borrowed, not NULL; copied
/// @param config_size  how many bytes, at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_builder_set_config(
    builder: *mut cldoci_artifact_builder,
    media_type: *const c_char,
    config: *const u8,
    config_size: usize,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let given = optional_text(media_type, "media_type")?;
        let config = bytes(config, config_size, "config")?;
        if config.is_empty() {
            return Err(Error::new(Kind::Argument, "argument 'config' has no bytes"));
        }
        let builder = handle::get::<BuilderObject>(builder)?;
        let mut parts = lock(&builder.parts);
        if let Some(given) = given {
            check_media_type(given)?;
            match &mut parts.kind {
                ArtifactKind::Custom { config_media_type, .. } => *config_media_type = given.to_owned(),
                kind if kind.config_media_type() == given => {}
                kind => {
                    let (name, own) = (kind.name(), kind.config_media_type());
                    let why = format!("a {name} has the config type {own}, not {}", printable(given));
                    return Err(Error::new(Kind::Argument, why));
                }
            }
        }
        parts.config = Some(config.to_vec());
        Ok(())
    })
}

/// Adds a layer with these bytes, unchanged.
///
/// @param media_type  borrowed, may be NULL, UTF-8: the type's own; copied
/// @param layer       borrowed, may be NULL where `layer_size` is 0; copied
/// @param layer_size  how many bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_builder_add_bytes(
    builder: *mut cldoci_artifact_builder,
    media_type: *const c_char,
    layer: *const u8,
    layer_size: usize,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let media_type = optional_text(media_type, "media_type")?;
        let layer = bytes(layer, layer_size, "layer")?;
        let builder = handle::get::<BuilderObject>(builder)?;
        builder.add(Layer::from_bytes(&builder.layer_type(media_type)?, layer));
        Ok(())
    })
}

/// Adds a file as a layer, unchanged. The file is read now for its digest, and again when the artifact is pushed;
/// it must not change in between (CLDOCI_ERROR_CHANGED).
///
/// @param media_type  borrowed, may be NULL, UTF-8: the type's own; copied
/// @param file        borrowed, not NULL, a path of any bytes; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_builder_add_file(
    builder: *mut cldoci_artifact_builder,
    media_type: *const c_char,
    file: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let media_type = optional_text(media_type, "media_type")?;
        let file = path(file, "file")?;
        let builder = handle::get::<BuilderObject>(builder)?;
        builder.add(Layer::from_file(&builder.layer_type(media_type)?, file)?);
        Ok(())
    })
}

/// Adds a layer that a function provides, in limited memory: the client's store keeps the bytes as long as the
/// artifact lives. CLDOCI_ERROR_CANCELLED if the reader gave up.
///
/// @param media_type  borrowed, may be NULL, UTF-8: the type's own; copied
/// @param reader      not NULL; called on this thread and during this call only
/// @param user_data   may be NULL; passed to the reader, never dereferenced
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_builder_add_reader(
    builder: *mut cldoci_artifact_builder,
    media_type: *const c_char,
    reader: cldoci_reader,
    user_data: *mut c_void,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let media_type = optional_text(media_type, "media_type")?;
        let function = reader.ok_or_else(|| Error::new(Kind::Argument, "argument 'reader' is NULL"))?;
        let builder = handle::get::<BuilderObject>(builder)?;
        let media_type = builder.layer_type(media_type)?;
        let layer = builder.client.layer_from_reader(&media_type, &mut Reader { function, user_data })?;
        builder.add(layer);
        Ok(())
    })
}

/// Adds a layer of another artifact, without its annotations. Its bytes are read where they are when the new
/// artifact is pushed.
///
/// @param media_type  borrowed, may be NULL, UTF-8: as the layer has it; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_builder_add_layer(
    builder: *mut cldoci_artifact_builder,
    media_type: *const c_char,
    artifact: *const cldoci_artifact,
    layer: usize,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let media_type = optional_text(media_type, "media_type")?;
        let artifact = handle::get::<ArtifactObject>(artifact)?;
        let builder = handle::get::<BuilderObject>(builder)?;
        let layers = &artifact.artifact.layers;
        let mut found = layers.get(layer).cloned().ok_or_else(|| no_layer(layer, layers.len()))?;
        found.descriptor.annotations.clear();
        if let Some(given) = media_type {
            found.descriptor.media_type = builder.layer_type(Some(given))?;
        }
        builder.add(found);
        Ok(())
    })
}

/// Sets an annotation of a layer that was added; an old value is replaced.
///
/// @param key    borrowed, not NULL, UTF-8; copied
/// @param value  borrowed, not NULL, UTF-8; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_builder_set_layer_annotation(
    builder: *mut cldoci_artifact_builder,
    layer: usize,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let (key, value) = (text(key, "key")?, text(value, "value")?);
        let builder = handle::get::<BuilderObject>(builder)?;
        let mut parts = lock(&builder.parts);
        let count = parts.layers.len();
        let layer = parts.layers.get_mut(layer).ok_or_else(|| no_layer(layer, count))?;
        layer.descriptor.annotations.insert(key.to_owned(), value.to_owned());
        Ok(())
    })
}

/// Sets an annotation of the manifest; an old value is replaced.
///
/// @param key    borrowed, not NULL, UTF-8; copied
/// @param value  borrowed, not NULL, UTF-8; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_builder_set_annotation(
    builder: *mut cldoci_artifact_builder,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let (key, value) = (text(key, "key")?, text(value, "value")?);
        let builder = handle::get::<BuilderObject>(builder)?;
        lock(&builder.parts).annotations.insert(key.to_owned(), value.to_owned());
        Ok(())
    })
}

/// Makes the artifact, which fixes the bytes and the digest of its manifest. You can go on using the builder.
///
/// @param artifact  out, not NULL: set to NULL, on success to an artifact that you free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_builder_finish(
    builder: *const cldoci_artifact_builder,
    artifact: *mut *mut cldoci_artifact,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::new_handle(error, artifact, "artifact", || {
        let builder = handle::get::<BuilderObject>(builder)?;
        let artifact = lock(&builder.parts).finish()?;
        Ok(ArtifactObject::new(artifact.into()))
    })
}

/// Frees a builder; its artifacts stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_artifact_builder_free(
    builder: *mut cldoci_artifact_builder,
) -> cldoci_status {
    guard::free::<BuilderObject>(builder)
}
