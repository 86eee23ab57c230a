//! The configs of the three kinds, filled in by field name: for callers that have no struct of ours.

use std::collections::BTreeMap;

use super::artifact::{ArtifactKind, ComponentConfig, DatacenterConfig, ModuleConfig};
use crate::error::{Error, Kind, Result, printable};

/// A config of one of the three kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypedConfig {
    /// Of a component.
    Component(ComponentConfig),
    /// Of a datacenter.
    Datacenter(DatacenterConfig),
    /// Of a module.
    Module(ModuleConfig),
}

type Texts<'a> = Vec<(&'static str, &'a mut String)>;
type Maps<'a> = Vec<(&'static str, &'a mut BTreeMap<String, String>)>;

impl TypedConfig {
    /// An empty config; a custom kind has none.
    pub fn new(kind: &ArtifactKind) -> Result<Self> {
        match kind {
            ArtifactKind::Component => Ok(Self::Component(ComponentConfig::default())),
            ArtifactKind::Datacenter => Ok(Self::Datacenter(DatacenterConfig::default())),
            ArtifactKind::Module => Ok(Self::Module(ModuleConfig::default())),
            ArtifactKind::Custom { artifact_type, .. } => Err(bad(format!(
                "'{}' has no typed config: give its bytes as they are",
                printable(artifact_type)
            ))),
        }
    }

    /// The fields by the names that they have in JSON.
    fn fields(&mut self) -> (Texts<'_>, Maps<'_>) {
        match self {
            Self::Component(c) => (
                vec![
                    ("schemaVersion", &mut c.schema_version),
                    ("name", &mut c.name),
                    ("description", &mut c.description),
                    ("readme", &mut c.readme),
                    ("sourceHash", &mut c.source_hash),
                    ("buildTime", &mut c.build_time),
                ],
                vec![("childArtifacts", &mut c.child_artifacts)],
            ),
            Self::Datacenter(c) => (
                vec![
                    ("schemaVersion", &mut c.schema_version),
                    ("name", &mut c.name),
                    ("extendsImage", &mut c.extends_image),
                    ("sourceHash", &mut c.source_hash),
                    ("buildTime", &mut c.build_time),
                ],
                vec![("moduleArtifacts", &mut c.module_artifacts)],
            ),
            Self::Module(c) => (
                vec![
                    ("plugin", &mut c.plugin),
                    ("name", &mut c.name),
                    ("sourceHash", &mut c.source_hash),
                    ("buildTime", &mut c.build_time),
                ],
                vec![("inputs", &mut c.inputs), ("outputs", &mut c.outputs)],
            ),
        }
    }

    /// Sets a field that is a text.
    pub fn set(&mut self, field: &str, value: &str) -> Result<()> {
        *pick(self.fields().0, field)? = value.to_owned();
        Ok(())
    }

    /// Sets an entry of a field that is a map.
    pub fn set_entry(&mut self, field: &str, key: &str, value: &str) -> Result<()> {
        pick(self.fields().1, field)?.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// The config as JSON, its keys in the order of the fields.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let json = match self {
            Self::Component(config) => serde_json::to_vec(config),
            Self::Datacenter(config) => serde_json::to_vec(config),
            Self::Module(config) => serde_json::to_vec(config),
        };
        json.map_err(|e| Error::new(Kind::Internal, format!("the config as JSON: {e}")))
    }
}

fn pick<'a, T>(fields: Vec<(&'static str, &'a mut T)>, wanted: &str) -> Result<&'a mut T> {
    let known: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    let found = fields.into_iter().find(|(name, _)| *name == wanted).map(|(_, field)| field);
    found
        .ok_or_else(|| bad(format!("unknown field '{}' (known are {})", printable(wanted), known.join(", "))))
}

fn bad(why: String) -> Error {
    Error::new(Kind::Argument, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every field of the structs can be reached by its name in JSON.
    #[test]
    fn every_field_is_set_by_its_name() {
        for kind in [ArtifactKind::Component, ArtifactKind::Datacenter, ArtifactKind::Module] {
            let mut config = TypedConfig::new(&kind).unwrap();
            let (texts, maps) = config.fields();
            let texts: Vec<_> = texts.into_iter().map(|(name, _)| name).collect();
            let maps: Vec<_> = maps.into_iter().map(|(name, _)| name).collect();
            for field in &texts {
                config.set(field, &format!("<{field}>")).unwrap();
            }
            for field in &maps {
                config.set_entry(field, "key", &format!("<{field}>")).unwrap();
            }
            let json: serde_json::Value = serde_json::from_slice(&config.to_json().unwrap()).unwrap();
            for field in &texts {
                assert_eq!(json[field], format!("<{field}>"));
            }
            for field in &maps {
                assert_eq!(json[field]["key"], format!("<{field}>"));
            }
            assert_eq!(json.as_object().unwrap().len(), texts.len() + maps.len());
        }
    }

    #[test]
    fn unknown_fields_and_kinds_are_errors_that_list_what_there_is() {
        let mut config = TypedConfig::new(&ArtifactKind::Module).unwrap();
        let error = config.set("schemaVersion", "v1").unwrap_err();
        assert!(error.message().contains("known are plugin, name, sourceHash, buildTime"), "{error}");
        for (set, field) in
            [(config.set("inputs", "x"), "inputs"), (config.set_entry("name", "k", "v"), "name")]
        {
            let error = set.unwrap_err();
            assert_eq!(error.kind(), Kind::Argument);
            assert!(error.message().contains(&format!("unknown field '{field}'")), "{error}");
        }
        let error = TypedConfig::new(&ArtifactKind::custom("application/vnd.x")).err().unwrap();
        assert_eq!(error.kind(), Kind::Argument);
        assert!(error.message().contains("has no typed config"), "{error}");
    }
}
