//! `cldoci_config`: the config of a component, datacenter or module, put together field by field.

use std::ffi::c_char;
use std::sync::Mutex;

use super::status::cldoci_status;
use super::support::handle::{self, Object};
use super::support::strings::{OwnedCStr, put, text};
use super::support::{guard, lock};
use super::types::{cldoci_config, cldoci_error};
use crate::error::Result;
use crate::oci::{ArtifactKind, TypedConfig};

pub(super) struct ConfigObject(Mutex<State>);

struct State {
    config: TypedConfig,
    /// What was lent; it lives as long as the handle, whatever is set later.
    lent: Vec<OwnedCStr>,
    /// Whether the last of them is still what the fields say.
    fresh: bool,
}

impl Object for ConfigObject {
    type Opaque = cldoci_config;
    const TYPE: u8 = 5;
    const NAME: &'static str = "cldoci_config";
}

fn change(config: *mut cldoci_config, change: impl FnOnce(&mut TypedConfig) -> Result<()>) -> Result<()> {
    let object = handle::get::<ConfigObject>(config)?;
    let mut state = lock(&object.0);
    state.fresh = false;
    change(&mut state.config)
}

/// Makes an empty config of one of the three types with fields of their own. The build verbs take any other JSON
/// as it is.
///
/// @param artifact_type  borrowed, not NULL, UTF-8; copied: `component`, `datacenter` or `module`
/// @param config         out, not NULL: set to NULL, on success to a config that you free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_config_new(
    artifact_type: *const c_char,
    config: *mut *mut cldoci_config,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::new_handle(error, config, "config", || {
        let config = TypedConfig::new(&ArtifactKind::from_name(text(artifact_type, "artifact_type")?)?)?;
        Ok(ConfigObject(Mutex::new(State { config, lent: Vec::new(), fresh: false })))
    })
}

/// Sets a field by its name in JSON. The message for an unknown name lists the fields.
///
/// A component has schemaVersion, name, description, readme, sourceHash, buildTime and the map childArtifacts; a
/// datacenter has schemaVersion, name, extendsImage, sourceHash, buildTime and the map moduleArtifacts; a module
/// has plugin, name, sourceHash, buildTime and the maps inputs and outputs.
///
/// @param field  borrowed, not NULL, UTF-8; copied
/// @param value  borrowed, not NULL, UTF-8; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_config_set(
    config: *mut cldoci_config,
    field: *const c_char,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let (field, value) = (text(field, "field")?, text(value, "value")?);
        change(config, |config| config.set(field, value))
    })
}

/// Sets an entry of a field that is a map.
///
/// @param field  borrowed, not NULL, UTF-8; copied
/// @param key    borrowed, not NULL, UTF-8; copied
/// @param value  borrowed, not NULL, UTF-8; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_config_set_entry(
    config: *mut cldoci_config,
    field: *const c_char,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut cldoci_error,
) -> cldoci_status {
    guard::status(error, || {
        let (field, key) = (text(field, "field")?, text(key, "key")?);
        let value = text(value, "value")?;
        change(config, |config| config.set_entry(field, key, value))
    })
}

/// The config as JSON, for `cldoci_build`. It does not change when you set fields later. With the option
/// `fill_source_hash`, the build fills an empty sourceHash with the layer's digest.
///
/// @param size  out, may be NULL: how many bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_config_json(config: *const cldoci_config, size: *mut usize) -> *const u8 {
    put(size, 0);
    guard::value(std::ptr::null(), || {
        let object = handle::get::<ConfigObject>(config).ok()?;
        let mut state = lock(&object.0);
        if !state.fresh {
            let json = OwnedCStr::new(state.config.to_json().ok()?);
            state.lent.push(json);
            state.fresh = true;
        }
        // Each is boxed: it stays where it is when the list grows.
        state.lent.last().map(|json| json.lend(size).cast())
    })
}

/// Frees a config and the JSON borrowed from it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cldoci_config_free(config: *mut cldoci_config) -> cldoci_status {
    guard::free::<ConfigObject>(config)
}
