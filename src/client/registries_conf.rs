//! Containers' `registries.conf` (option registries_conf; Q129): by what a reference begins with, the places that are
//! read before it or in its stead, and what is blocked. What is written goes where the reference says.

mod file;

use std::collections::BTreeMap;

use crate::error::{Error, Kind, Result, printable};
use crate::oci::RegistryReference;
use crate::options::{Options, Settings};
use crate::registry::one_name;
use file::{Entry, place, split};

/// What the files say.
#[derive(Debug, Default)]
pub(super) struct Registries(Vec<Entry>);

/// Where a repository is read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Places {
    /// Before it, in this order; whether what has no digest is read there, too.
    pub(super) mirrors: Vec<(RegistryReference, bool)>,
    /// In its stead.
    pub(super) location: Option<RegistryReference>,
}

impl Registries {
    /// What the option's file says, or those in the usual places. Blocks.
    pub(super) fn read(settings: &Settings) -> Result<Self> {
        file::read(settings).map(Self)
    }

    /// Whether they say nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The caller's options, and those of the hosts whose certificates the files say are not to be verified. As an
    /// option is the whole host's, each entry of the host must say so, and one of them without a path; and the caller
    /// must have said nothing.
    pub(super) fn options(&self, options: &Options) -> Result<Options> {
        let mut hosts: BTreeMap<&str, bool> = BTreeMap::new();
        let mut say = |host, insecure| *hosts.entry(host).or_insert(true) &= insecure;
        for entry in &self.0 {
            let (own, path) = split(entry.location.as_deref().unwrap_or(&entry.prefix));
            // What holds for a part of a host opens none.
            if path.is_empty() || !entry.insecure {
                say(own, entry.insecure);
            }
            let (prefix, _) = split(&entry.prefix);
            if prefix != own {
                say(prefix, false);
            }
            for mirror in &entry.mirrors {
                say(split(&mirror.location).0, mirror.insecure);
            }
        }
        let set: Vec<String> = options.hosts_with("insecure").filter_map(one_name).collect();
        let verified = |host: &str| {
            let patterns = hosts.iter().filter(|(pattern, insecure)| !**insecure && pattern.starts_with('*'));
            set.iter().any(|set| set == host)
                || patterns.into_iter().any(|(pattern, _)| matched(pattern, host).is_some())
        };
        let mut all = options.clone();
        let open = hosts.iter().filter(|(host, insecure)| **insecure && !host.starts_with('*'));
        for (host, _) in open.filter(|(host, _)| !verified(host)) {
            all.set_host(host, "insecure", "true")?;
        }
        Ok(all)
    }

    /// What the longest prefix says of a name, and where what it matched ends.
    fn rule(&self, whole: &str) -> Option<(&Entry, usize)> {
        let matching = self.0.iter().filter_map(|entry| Some((entry, matched(&entry.prefix, whole)?)));
        matching.max_by_key(|(entry, _)| entry.prefix.len())
    }

    /// POLICY where what is named so is blocked.
    pub(super) fn check(&self, name: &str) -> Result<()> {
        // As nearly always: no name is spelled for nothing.
        if self.is_empty() {
            return Ok(());
        }
        let (host, rest) = name.split_at(name.find('/').unwrap_or(name.len()));
        let whole = format!("{}{rest}", one_name(host).unwrap_or_else(|| host.to_owned()));
        match self.rule(&whole) {
            Some((entry, _)) if entry.blocked => Err(Error::new(
                Kind::Policy,
                format!(
                    "{}: {} blocks '{}' (option registries_conf)",
                    printable(name),
                    entry.file,
                    printable(&entry.prefix)
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Where `reference` is read; POLICY where it is blocked.
    pub(super) fn places(&self, reference: &RegistryReference) -> Result<Places> {
        if self.is_empty() {
            return Ok(Places::default());
        }
        self.check(&reference.to_string())?;
        let registry = one_name(&reference.registry).unwrap_or_else(|| reference.registry.clone());
        let name = format!("{registry}/{}", reference.repository);
        let whole = RegistryReference { registry, ..reference.clone() }.to_string();
        let Some((entry, end)) = self.rule(&whole) else { return Ok(Places::default()) };
        let rest = name.get(end..).unwrap_or_default();
        let at = |location: &str| {
            place(&format!("{location}{rest}")).ok_or_else(|| {
                let what = printable(format!("{location}{rest}"));
                Error::new(Kind::Argument, format!("{}: '{what}' is not a repository", entry.file))
            })
        };
        let by_digest = reference.digest.is_some();
        let asked =
            entry.mirrors.iter().filter(|mirror| if by_digest { mirror.digests } else { mirror.tags });
        let mirrors = asked.map(|mirror| Ok((at(&mirror.location)?, mirror.tags))).collect::<Result<_>>()?;
        let location = entry.location.as_deref().map(at).transpose()?;
        let elsewhere = |at: &RegistryReference| format!("{}/{}", at.registry, at.repository) != name;
        let location = location.filter(elsewhere);
        if let Some(at) = &location {
            self.check(&format!("{}/{}", at.registry, at.repository))?;
        }
        Ok(Places { mirrors, location })
    }
}

/// Where what a prefix matches of a name ends.
fn matched(prefix: &str, whole: &str) -> Option<usize> {
    let end = match prefix.strip_prefix('*') {
        Some(domain) => {
            let host = whole.split(['/', ':']).next().unwrap_or_default();
            (host.len() > domain.len() && host.ends_with(domain)).then_some(host.len())?
        }
        None => whole.starts_with(prefix).then_some(prefix.len())?,
    };
    matches!(whole.get(end..)?.chars().next(), None | Some('/' | ':' | '@')).then_some(end)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::oci::Reference;

    fn of(text: &str) -> Registries {
        let mut found = Registries::default();
        file::add(&mut found.0, Path::new("file"), text).unwrap();
        found
    }

    fn read(registries: &Registries, reference: &str) -> Option<String> {
        let Ok(Reference::Registry(reference)) = reference.parse() else {
            unreachable!("a reference of a registry")
        };
        let at = registries.places(&reference).unwrap().location?;
        Some(format!("{}/{}", at.registry, at.repository))
    }

    #[test]
    fn q129_what_a_prefix_matches() {
        let registries = of("[[registry]]\nprefix = \"a.test\"\nlocation = \"z.test\"\n\
             [[registry]]\nprefix = \"a.test:5000/x\"\nlocation = \"z.test/port\"\n\
             [[registry]]\nprefix = \"a.test/n/app\"\nlocation = \"z.test/one\"\n\
             [[registry]]\nprefix = \"a.test/n/app:v2\"\nlocation = \"z.test/two\"\n\
             [[registry]]\nprefix = \"*.b.test\"\nlocation = \"z.test/b\"\n\
             [[registry]]\nprefix = \"docker.io\"\nlocation = \"z.test/hub\"\n");
        for (reference, expected) in [
            ("a.test/n/other:v1", Some("z.test/n/other")),
            ("a.test/n/app:v1", Some("z.test/one")),
            ("a.test/n/app/below:v1", Some("z.test/one/below")),
            ("a.test/n/apple:v1", Some("z.test/n/apple")),
            ("a.test/n/app:v2", Some("z.test/two")),
            ("a.test:5000/x/y:v1", Some("z.test/port/y")),
            ("a.test:5001/x:v1", Some("z.test:5001/x")),
            ("c.b.test/app:v1", Some("z.test/b/app")),
            ("d.c.b.test/app:v1", Some("z.test/b/app")),
            ("b.test/app:v1", None),
            ("cb.test/app:v1", None),
            ("alpine:3", Some("z.test/hub/library/alpine")),
        ] {
            assert_eq!(read(&registries, reference).as_deref(), expected, "{reference}");
        }
    }

    #[test]
    fn q129_a_host_has_one_spelling() {
        let registries = of("[[registry]]\nlocation = \"Blocked.test\"\nblocked = true\n\
             [[registry]]\nprefix = \"registry-1.docker.io/library\"\nblocked = true\n\
             [[registry]]\nprefix = \"127.0.0.1:5000\"\nblocked = true\n\
             [[registry]]\nprefix = \"*.Evil.test\"\nblocked = true\n\
             [[registry]]\nprefix = \"free.test\"\nlocation = \"docker.io\"\n\
             [[registry]]\nprefix = \"moved.test\"\nlocation = \"blocked.test/x\"\n");
        for name in [
            "blocked.test/app",
            "BLOCKED.test/app",
            "blocked.test:443/app",
            "blocked.test:5000/app",
            "blocked.test",
            "docker.io/library/alpine",
            "Index.Docker.io/library/alpine",
            "registry-1.docker.io:443/library/alpine",
            "127.0.0.1:5000/app",
            "127.1:05000/app",
            "a.evil.TEST:8443/app",
        ] {
            assert_eq!(registries.check(name).unwrap_err().kind(), Kind::Policy, "{name}");
        }
        for name in [
            "unblocked.test/app",
            "blocked.test.org/app",
            "docker.io/team/app",
            "127.0.0.1:5001/app",
            "evil.test/app",
        ] {
            registries.check(name).unwrap();
        }
        assert_eq!(read(&registries, "free.test/team/app").as_deref(), Some("docker.io/team/app"));
        // What lies at a blocked place is blocked, too.
        let Ok(Reference::Registry(moved)) = "moved.test/app".parse() else {
            unreachable!("a reference of a registry")
        };
        assert_eq!(registries.places(&moved).unwrap_err().kind(), Kind::Policy);
        for prefix in ["https://a.test", "*", "*a.test", "a*.test", "*.a.test/x", "a@b.test"] {
            let text = format!("[[registry]]\nprefix = \"{prefix}\"\n");
            let error = file::add(&mut Vec::new(), Path::new("file"), &text).unwrap_err();
            assert!(error.message().contains("invalid prefix"), "{prefix}: {error}");
        }
    }

    #[test]
    fn q129_a_host_is_not_verified_only_where_each_entry_says_so() {
        let registries = of("[[registry]]\nlocation = \"a.test\"\ninsecure = true\n\
             [[registry.mirror]]\nlocation = \"b.test/x\"\ninsecure = true\n\
             [[registry.mirror]]\nlocation = \"c.test\"\n\
             [[registry]]\nlocation = \"b.test/y\"\n\
             [[registry]]\nprefix = \"d.test\"\nlocation = \"e.test\"\ninsecure = true\n");
        let mut own = Options::new();
        own.set_host("e.test", "insecure", "false").unwrap();
        let options = registries.options(&own).unwrap();
        let settings = Settings::for_client(&options, Default::default()).unwrap();
        for (host, insecure) in
            [("a.test", true), ("b.test", false), ("c.test", false), ("d.test", false), ("e.test", false)]
        {
            assert_eq!(settings.host(host).insecure, insecure, "{host}");
        }
        let part = of("[[registry]]\nlocation = \"a.test/x\"\ninsecure = true\n");
        let settings =
            Settings::for_client(&part.options(&Options::new()).unwrap(), Default::default()).unwrap();
        assert!(!settings.host("a.test").insecure, "a part opens no host");
        let alone = registries.options(&Options::new()).unwrap();
        assert!(Settings::for_client(&alone, Default::default()).unwrap().host("e.test").insecure);
    }
}
