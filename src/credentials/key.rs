//! Which keys of a credential file mean a repository (Q19, case A-27).

/// docker's key for Docker Hub.
pub(super) const HUB_SERVER: &str = "https://index.docker.io/v1/";
const HUB: &str = "docker.io";
/// The other names under which people have stored it.
const HUB_ALIASES: [&str; 3] = [HUB, "index.docker.io", "registry-1.docker.io"];

/// The names of a registry in configuration files, the usual one first.
pub(super) fn names(registry: &str) -> Vec<&str> {
    if registry == HUB { [HUB_SERVER].into_iter().chain(HUB_ALIASES).collect() } else { vec![registry] }
}

/// The keys that mean a repository, the best first: namespaces from the longest to the shortest, then the
/// registry, as it is spelled here before other spellings, then what older programs wrote for it.
pub(super) fn matching<'a>(
    keys: impl Iterator<Item = &'a str>,
    registry: &str,
    repository: &str,
) -> Vec<&'a str> {
    let names = names(registry);
    let mut ranked: Vec<(std::cmp::Reverse<usize>, usize, bool, &str)> = keys
        .filter_map(|key| {
            if let Some(at) = names.iter().position(|name| same_host(key, name)) {
                let other = names.get(at) != Some(&key);
                return Some((std::cmp::Reverse(0), at, other, key));
            }
            if let Some((host, path)) = key.split_once('/') {
                let names_host = names.iter().any(|name| same_host(host, name));
                if names_host && !key.contains("://") && is_namespace(path, repository) {
                    return Some((std::cmp::Reverse(path.len()), 0, false, key));
                }
            }
            is_old_key(key, &names).then_some((std::cmp::Reverse(0), names.len(), false, key))
        })
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, _, _, key)| key).collect()
}

/// Whether a key stands for the registry as a whole.
pub(super) fn is_entry_of(key: &str, registry: &str) -> bool {
    matching([key].into_iter(), registry, "").len() == 1
}

/// `path` is the repository or one of the namespaces it is in; `team` is not one of `teams/app`.
fn is_namespace(path: &str, repository: &str) -> bool {
    !path.is_empty()
        && repository.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `https://HOST[/anything]` and `HOST/v1/`, as old versions of docker wrote it.
fn is_old_key(key: &str, names: &[&str]) -> bool {
    let (host, scheme) = match key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")) {
        Some(rest) => (rest, true),
        None => (key, false),
    };
    let (host, path) = host.split_once('/').unwrap_or((host, ""));
    let path = path.trim_end_matches('/');
    (scheme || matches!(path, "" | "v1" | "v2")) && names.iter().any(|name| same_host(host, name))
}

fn same_host(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best<'a>(keys: &[&'a str], registry: &str, repository: &str) -> Vec<&'a str> {
        matching(keys.iter().copied(), registry, repository)
    }

    #[test]
    fn a_27_the_longest_namespace_wins() {
        let keys = ["reg.io", "reg.io/team", "reg.io/team/app", "reg.io/tea", "reg.io/other"];
        assert_eq!(best(&keys, "reg.io", "team/app"), ["reg.io/team/app", "reg.io/team", "reg.io"]);
        assert_eq!(best(&keys, "reg.io", "team/app2"), ["reg.io/team", "reg.io"]);
        assert_eq!(best(&keys, "reg.io", "teams"), ["reg.io"]);
        // What a log-in writes is what counts.
        assert_eq!(best(&["REG.io", "reg.io", "https://reg.io"], "reg.io", "a")[0], "reg.io");
    }

    #[test]
    fn a_27_a_credential_never_goes_to_a_host_that_only_looks_alike() {
        let keys = ["reg.io", "https://reg.io/v1/", "reg.io/ns", "reg.io:443", "http2.evil-reg.io"];
        for other in ["evil-reg.io", "reg.io.evil", "sub.reg.io", "io", "reg", "reg.io:5000", "http2"] {
            assert_eq!(best(&keys, other, "ns/a"), [""; 0], "{other}");
        }
        assert_eq!(best(&keys, "reg.io:443", "ns"), ["reg.io:443"]);
        assert_eq!(best(&["https://reg.io@evil.io/v1/"], "reg.io", "a"), [""; 0]);
        assert_eq!(best(&["https:/reg.io"], "reg.io", "a"), [""; 0]);
    }

    #[test]
    fn a_27_keys_of_older_programs() {
        for key in
            ["https://reg.io", "https://reg.io/", "http://reg.io/v1/", "https://reg.io/v2/x", "reg.io/v1/"]
        {
            assert_eq!(best(&[key], "reg.io", "a"), [key], "{key}");
        }
        assert_eq!(best(&["https://reg.io/v1/", "reg.io"], "reg.io", "a"), ["reg.io", "https://reg.io/v1/"]);
        // Without a scheme it is a namespace.
        assert_eq!(best(&["reg.io/ns"], "reg.io", "a"), [""; 0]);
        assert_eq!(best(&["localhost:5000"], "localhost:5000", "a"), ["localhost:5000"]);
    }

    #[test]
    fn q19_docker_hub_has_one_key_and_its_aliases() {
        for key in
            [HUB_SERVER, "docker.io", "index.docker.io", "registry-1.docker.io", "https://docker.io/v2/"]
        {
            assert_eq!(best(&[key], "docker.io", "library/nginx"), [key], "{key}");
        }
        assert_eq!(
            best(&["docker.io", HUB_SERVER, "docker.io/library"], "docker.io", "library/nginx"),
            ["docker.io/library", HUB_SERVER, "docker.io"]
        );
        assert_eq!(best(&["hub.docker.io", "docker.io.evil"], "docker.io", "library/nginx"), [""; 0]);
    }

    #[test]
    fn an_entry_of_the_registry_is_no_namespace() {
        assert!(is_entry_of("reg.io", "reg.io") && is_entry_of("https://reg.io/v1/", "reg.io"));
        assert!(!is_entry_of("reg.io/ns", "reg.io") && !is_entry_of("reg.iox", "reg.io"));
    }
}
