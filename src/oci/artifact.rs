//! Artifact kinds, their media types, and the typed configs of the seed's three kinds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::json_edit::{self, Object};
use super::media_type;
use crate::error::{Error, Kind, Result, printable};
use serde::de::IgnoredAny;

/// Which entries of a directory go into an artifact before `.cldignore` is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Today's Go package's list, with `.cldignore` and `.terraform.lock.hcl` let in.
    Cldctl,
    /// All but `.git`, `.hg` and `.svn`.
    Vcs,
    /// Everything.
    None,
}

/// What an artifact is. The three kinds of the seed carry no `artifactType`: their config's media type says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactKind {
    /// A component.
    Component,
    /// A datacenter.
    Datacenter,
    /// A module.
    Module,
    /// Any other kind, by its media types.
    Custom {
        /// The manifest's `artifactType`.
        artifact_type: String,
        /// The config's media type.
        config_media_type: String,
        /// The layer's media type.
        layer_media_type: String,
    },
}

impl ArtifactKind {
    /// A custom kind with the defaults: the empty config, an OCI layer.
    pub fn custom(artifact_type: impl Into<String>) -> Self {
        Self::Custom {
            artifact_type: artifact_type.into(),
            config_media_type: media_type::EMPTY.to_owned(),
            layer_media_type: media_type::OCI_LAYER.to_owned(),
        }
    }

    /// The kind by the seed's name, else a custom one by its artifact type.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "component" => Ok(Self::Component),
            "datacenter" => Ok(Self::Datacenter),
            "module" => Ok(Self::Module),
            _ => {
                check_media_type(name)?;
                Ok(Self::custom(name))
            }
        }
    }

    /// The kind of a manifest that was read, by artifact type (or config media type).
    pub fn from_types(artifact_type: &str, config_media_type: &str, layer_media_type: &str) -> Self {
        for kind in [Self::Component, Self::Datacenter, Self::Module] {
            // Today's artifacts have a Docker config and the seed's layer type (Q61).
            if artifact_type == kind.config_media_type() || layer_media_type == kind.layer_media_type() {
                return kind;
            }
        }
        Self::Custom {
            artifact_type: artifact_type.to_owned(),
            config_media_type: config_media_type.to_owned(),
            layer_media_type: layer_media_type.to_owned(),
        }
    }

    /// `component`, `datacenter`, `module`, else the artifact type.
    pub fn name(&self) -> &str {
        match self {
            Self::Component => "component",
            Self::Datacenter => "datacenter",
            Self::Module => "module",
            Self::Custom { artifact_type, .. } => artifact_type,
        }
    }

    /// The manifest's `artifactType`, which only custom kinds have.
    pub fn artifact_type(&self) -> Option<&str> {
        match self {
            Self::Custom { artifact_type, .. } => Some(artifact_type),
            _ => None,
        }
    }

    /// The config's media type.
    pub fn config_media_type(&self) -> &str {
        match self {
            Self::Component => "application/vnd.architect.component.config.v1+json",
            Self::Datacenter => "application/vnd.architect.datacenter.config.v1+json",
            Self::Module => "application/vnd.architect.module.config.v1+json",
            Self::Custom { config_media_type, .. } => config_media_type,
        }
    }

    /// The layer's media type.
    pub fn layer_media_type(&self) -> &str {
        match self {
            Self::Component => "application/vnd.architect.component.layer.v1.tar+gzip",
            Self::Datacenter => "application/vnd.architect.datacenter.layer.v1.tar+gzip",
            Self::Module => "application/vnd.architect.module.layer.v1.tar+gzip",
            Self::Custom { layer_media_type, .. } => layer_media_type,
        }
    }

    /// The profile that a build of this kind uses unless an option names another.
    pub fn profile(&self) -> Profile {
        match self {
            Self::Custom { .. } => Profile::Vcs,
            _ => Profile::Cldctl,
        }
    }
}

/// Checks a media type against RFC 6838 §4.2.
pub(crate) fn check_media_type(text: &str) -> Result<()> {
    let name = |part: &str| {
        (1..=127).contains(&part.len())
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    match text.split_once('/') {
        Some((kind, sub)) if name(kind) && name(sub) => Ok(()),
        _ => Err(Error::new(
            Kind::Argument,
            format!(
                "'{}' is neither component, datacenter or module nor a media type (RFC 6838: type/subtype)",
                printable(text)
            ),
        )),
    }
}

/// The config of a component; the fields of today's Go code and of its README.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentConfig {
    /// Version of the config's schema (`v1`).
    pub schema_version: String,
    /// The component's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its README.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub readme: String,
    /// Resource → OCI reference.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub child_artifacts: BTreeMap<String, String>,
    /// Digest of the source; when empty, build fills in the layer's digest.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_hash: String,
    /// When it was built, as the caller says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub build_time: String,
}

/// The config of a datacenter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DatacenterConfig {
    /// Version of the config's schema (`v1`).
    pub schema_version: String,
    /// The datacenter's name.
    pub name: String,
    /// Module name → OCI reference.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub module_artifacts: BTreeMap<String, String>,
    /// The datacenter that this one extends.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub extends_image: String,
    /// Digest of the source; when empty, build fills in the layer's digest.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_hash: String,
    /// When it was built, as the caller says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub build_time: String,
}

/// The config of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModuleConfig {
    /// `pulumi`, `opentofu` or `native`.
    pub plugin: String,
    /// The module's name.
    pub name: String,
    /// Summary of the inputs' schema.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// Summary of the outputs' schema.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
    /// Digest of the source; when empty, build fills in the layer's digest.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_hash: String,
    /// When it was built, as the caller says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub build_time: String,
}

/// Puts the layer's digest into a config object whose `sourceHash` is absent or empty; all other bytes stay
/// as they are. A config that is no JSON object is left alone.
pub fn fill_source_hash(config: &[u8], digest: &Digest) -> Vec<u8> {
    let filled = || {
        serde_json::from_slice::<IgnoredAny>(config).ok()?;
        let text = std::str::from_utf8(config).ok()?;
        let object = Object::read(text, 0)?;
        match object.members.iter().rev().find(|member| member.key == "sourceHash") {
            None => Some(json_edit::append(text, &object, &format!("\"sourceHash\":\"{digest}\""))),
            Some(member) if text.get(member.value.clone()) == Some("\"\"") => {
                Some(json_edit::replace(text, member.value.clone(), &format!("\"{digest}\"")))
            }
            Some(_) => None,
        }
    };
    filled().map_or_else(|| config.to_vec(), String::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_of_the_configs_is_that_of_the_go_types() {
        let config = ComponentConfig {
            schema_version: "v1".into(),
            name: "api".into(),
            description: "API component".into(),
            ..Default::default()
        };
        assert_eq!(
            serde_json::to_string(&config).unwrap(),
            r#"{"schemaVersion":"v1","name":"api","description":"API component"}"#
        );
        assert_eq!(serde_json::to_string(&ModuleConfig::default()).unwrap(), r#"{"plugin":"","name":""}"#);
        assert_eq!(
            serde_json::to_string(&DatacenterConfig::default()).unwrap(),
            r#"{"schemaVersion":"","name":""}"#
        );
    }

    #[test]
    fn an_empty_source_hash_is_filled_and_nothing_else_changes() {
        let digest = Digest::of(b"{}");
        let fill = |text: &str| String::from_utf8(fill_source_hash(text.as_bytes(), &digest)).unwrap();
        assert_eq!(
            fill(r#"{"a": 1.0, "z":"\u00e9"}"#),
            format!(r#"{{"a": 1.0, "z":"\u00e9","sourceHash":"{digest}"}}"#)
        );
        assert_eq!(fill(r#"{"sourceHash" : "" ,"b":2}"#), format!(r#"{{"sourceHash" : "{digest}" ,"b":2}}"#));
        assert_eq!(fill(r#"{"sourceHash":"x"}"#), r#"{"sourceHash":"x"}"#);
        assert_eq!(fill("{}"), format!(r#"{{"sourceHash":"{digest}"}}"#));
        assert_eq!(fill("[1]"), "[1]");
    }

    #[test]
    fn kinds_by_name() {
        assert_eq!(ArtifactKind::from_name("module").unwrap(), ArtifactKind::Module);
        assert_eq!(ArtifactKind::from_name("application/vnd.x+json").unwrap().profile(), Profile::Vcs);
        for bad in ["", "componet", "a/b/c", "a b/c", "/x"] {
            let error = ArtifactKind::from_name(bad).unwrap_err();
            assert_eq!(error.kind(), Kind::Argument, "{bad}");
            assert!(error.message().contains(&format!("'{bad}' is neither")), "{error}");
        }
    }
}
