//! The platforms of an index's entries, and which of them is wanted (image-spec, image-index.md).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::json::optional;

/// The platform of an index's entry (image-spec, image-index.md).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// CPU, in Go's words (`amd64`). Without it, or without `os`, no wish fits (Q95).
    #[serde(default, deserialize_with = "optional", skip_serializing_if = "String::is_empty")]
    pub architecture: String,
    /// Operating system, in Go's words (`linux`).
    #[serde(default, deserialize_with = "optional", skip_serializing_if = "String::is_empty")]
    pub os: String,
    /// Version of the operating system.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features of the operating system.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// Variant of the CPU (`v8`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A platform that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// The variant that an architecture has where none is named (Q94).
fn usual_variant(architecture: &str) -> Option<&'static str> {
    match architecture {
        "arm64" => Some("v8"),
        "amd64" => Some("v1"),
        _ => None,
    }
}

impl Wish {
    /// Reads `os/architecture[/variant]`.
    pub fn new(text: &str) -> Self {
        let mut parts = text.splitn(3, '/');
        let mut part = || parts.next().map(str::to_owned);
        Self { os: part().unwrap_or_default(), architecture: part().unwrap_or_default(), variant: part() }
    }

    /// Whether a platform is the one asked for; one that says only a part of what it is fits nothing (Q95).
    pub fn fits(&self, platform: &Platform) -> bool {
        let usual = usual_variant(&self.architecture);
        let variant = platform.variant.as_deref().filter(|variant| !variant.is_empty()).or(usual);
        !platform.os.is_empty()
            && !platform.architecture.is_empty()
            && platform.os == self.os
            && platform.architecture == self.architecture
            && self.variant.as_deref().is_none_or(|wanted| variant == Some(wanted))
    }
}

/// `os/architecture[/variant]`.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(wish: &str, platform: &str) -> bool {
        Wish::new(wish).fits(&serde_json::from_str(platform).unwrap())
    }

    #[test]
    fn q94_the_usual_variant_need_not_be_named() {
        let platform = |architecture: &str, variant: &str| {
            format!(r#"{{"os":"linux","architecture":"{architecture}"{variant}}}"#)
        };
        for (architecture, usual) in [("arm64", "v8"), ("amd64", "v1")] {
            let named = format!(r#","variant":"{usual}""#);
            for variant in ["", r#","variant":null"#, r#","variant":"""#, &named] {
                let platform = platform(architecture, variant);
                assert!(fits(&format!("linux/{architecture}/{usual}"), &platform), "{platform}");
                assert!(fits(&format!("linux/{architecture}"), &platform), "{platform}");
                assert!(!fits(&format!("linux/{architecture}/v9"), &platform), "{platform}");
            }
        }
        assert!(!fits("linux/arm/v7", &platform("arm", "")));
        assert!(fits("linux/arm/v7", &platform("arm", r#","variant":"v7""#)));
        assert!(!fits("linux/arm64/v8", &platform("arm64", r#","variant":"v9""#)));
    }

    #[test]
    fn q95_a_part_of_a_platform_fits_nothing() {
        for platform in
            ["{}", r#"{"os":"linux"}"#, r#"{"architecture":"amd64"}"#, r#"{"os":"","architecture":""}"#]
        {
            for wish in ["linux/amd64", "linux", "/amd64", "", "/"] {
                assert!(!fits(wish, platform), "{wish} {platform}");
            }
        }
        assert!(fits("linux/amd64", r#"{"os":"linux","architecture":"amd64"}"#));
    }
}
