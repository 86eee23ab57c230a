//! The incomplete types of the header. Each has a private uninhabited field, so that no value of it exists:
//! what the caller holds is a token (see `token`), never an address.

enum Never {}

/// What went wrong in one call: status, message and facts. Immutable.
pub struct cldoci_error(#[allow(dead_code, reason = "makes the type uninhabited")] Never);

/// Settings for a client or for a call. They are copied when they are given to one, and can be used again.
pub struct cldoci_options(#[allow(dead_code, reason = "makes the type uninhabited")] Never);

/// A credential that a credential callback fills in; valid during that call.
pub struct cldoci_credential(#[allow(dead_code, reason = "makes the type uninhabited")] Never);

/// Where an artifact is: on a registry or in a local image layout. Immutable.
pub struct cldoci_reference(#[allow(dead_code, reason = "makes the type uninhabited")] Never);

/// The config of a component, datacenter or module, set field by field.
pub struct cldoci_config(#[allow(dead_code, reason = "makes the type uninhabited")] Never);

/// An artifact: manifest, config, layers. Immutable.
pub struct cldoci_artifact(#[allow(dead_code, reason = "makes the type uninhabited")] Never);

/// An artifact that is built by hand.
pub struct cldoci_artifact_builder(#[allow(dead_code, reason = "makes the type uninhabited")] Never);

/// Settings, connections and tokens; every verb needs one. Immutable.
pub struct cldoci_client(#[allow(dead_code, reason = "makes the type uninhabited")] Never);

/// A running verb.
pub struct cldoci_operation(#[allow(dead_code, reason = "makes the type uninhabited")] Never);

/// What a verb returned. Immutable.
pub struct cldoci_result(#[allow(dead_code, reason = "makes the type uninhabited")] Never);
