//! Where the files with credentials are.

use std::path::PathBuf;

use crate::options::{Secret, Settings};

/// Where credential files are, by the environment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// The text of `DOCKER_AUTH_CONFIG`.
    pub(super) inline: Option<Secret>,
    /// docker's `config.json`.
    pub(super) docker: Option<PathBuf>,
    /// podman's `auth.json`, the first choice first.
    pub(super) podman: Vec<PathBuf>,
    /// Whether the caller named docker's place, and podman's: what is wrong with a usual one is no error of his.
    pub(super) named: (bool, bool),
}

impl Places {
    pub(super) fn of(settings: &Settings) -> Self {
        let environment = settings.environment();
        let path = |name: &str| environment.get(name).map(PathBuf::from);
        let home = path("HOME");
        let podman = match path("REGISTRY_AUTH_FILE") {
            // As podman has it: where it is named, the usual places are not looked at.
            Some(named) => vec![named],
            None => {
                let config = path("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|h| h.join(".config")));
                [path("XDG_RUNTIME_DIR"), config]
                    .into_iter()
                    .flatten()
                    .map(|p| p.join("containers/auth.json"))
                    .collect()
            }
        };
        Self {
            inline: environment.text("DOCKER_AUTH_CONFIG").map(Secret::new),
            docker: path("DOCKER_CONFIG")
                .or_else(|| home.map(|h| h.join(".docker")))
                .map(|p| p.join("config.json")),
            podman,
            named: (path("DOCKER_CONFIG").is_some(), path("REGISTRY_AUTH_FILE").is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Environment, Options};

    fn settings(options: &Options, variables: &[(&str, &str)]) -> Settings {
        Settings::for_client(options, Environment::of(variables.iter().copied())).unwrap()
    }

    #[test]
    fn the_environment_says_where_the_files_are() {
        let options = Options::new();
        let places = Places::of(&settings(&options, &[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/run/u")]));
        assert_eq!(places.docker, Some("/h/.docker/config.json".into()));
        let want: [PathBuf; 2] =
            ["/run/u/containers/auth.json".into(), "/h/.config/containers/auth.json".into()];
        assert_eq!(places.podman, want);
        let places = Places::of(&settings(
            &options,
            &[("HOME", "/h"), ("DOCKER_CONFIG", "/d"), ("REGISTRY_AUTH_FILE", "/r.json")],
        ));
        assert_eq!(places.docker, Some("/d/config.json".into()));
        assert_eq!(places.podman, [PathBuf::from("/r.json")]);
        assert_eq!(Places::of(&settings(&options, &[])), Places::default());
    }
}
