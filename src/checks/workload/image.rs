//! Image references, resolved as container runtimes resolve them.

use wildmatch::WildMatch;

/// The registry of a reference that names none, and the folder of its official images.
const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_FOLDER: &str = "library/";

/// A reference in its parts: `nginx` is `docker.io/library/nginx`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ImageRef<'a> {
    /// Host and port, in lower case.
    pub registry: String,
    /// The path in the registry, without tag and digest.
    pub repository: String,
    /// The tag, where one is given.
    pub tag: Option<&'a str>,
    /// The digest, where one is given: `sha256:...`.
    pub digest: Option<&'a str>,
}

impl<'a> ImageRef<'a> {
    /// Takes any text apart; what is no reference names no image either, and matches no pattern.
    pub(crate) fn parse(image: &'a str) -> Self {
        let (name, digest) = match image.split_once('@') {
            Some((name, digest)) => (name, Some(digest).filter(|digest| is_digest(digest))),
            None => (image, None),
        };
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match name.get(last..).and_then(|last| last.find(':')) {
            Some(colon) => {
                let (name, tag) = name.split_at(last + colon);
                (name, tag.strip_prefix(':').filter(|tag| !tag.is_empty()))
            }
            None => (name, None),
        };
        let (registry, repository) = split_registry(name);
        Self { registry, repository, tag, digest }
    }

    /// Whether it says which of the images of a repository is meant, and not just the newest.
    pub(crate) fn names_a_version(&self) -> bool {
        self.digest.is_some() || self.tag.is_some_and(|tag| tag != "latest")
    }
}

/// `docker.io` and `library/` where they are left out, as Docker's reference grammar has it: a
/// first part without a dot or a colon is a folder, not a host.
fn split_registry(name: &str) -> (String, String) {
    let (registry, repository) = match name.split_once('/') {
        Some((host, rest)) if is_host(host) => (host.to_lowercase(), rest),
        _ => (DEFAULT_REGISTRY.to_owned(), name),
    };
    if registry != DEFAULT_REGISTRY && registry != "index.docker.io" {
        return (registry, repository.to_owned());
    }
    let official = !repository.contains('/') && !repository.contains('*');
    let folder = if official { DEFAULT_FOLDER } else { "" };
    (DEFAULT_REGISTRY.to_owned(), format!("{folder}{repository}"))
}

fn is_host(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':', '*'])
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        matches!(algorithm, "sha256" | "sha512")
            && !hex.is_empty()
            && hex.chars().all(|c| c.is_ascii_hexdigit())
    })
}

/// A pattern for where images may come from. Host and path are matched apart: a `*` in the host
/// must not reach into the path, where whoever owns the host chooses the text.
#[derive(Debug)]
pub(crate) struct RegistryPattern {
    host: WildMatch,
    path: Option<WildMatch>,
}

impl RegistryPattern {
    /// `ghcr.io` or `*.example.com` for all of a registry, `ghcr.io/acme/*` for a part of it.
    pub(crate) fn new(pattern: &str) -> Self {
        let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
        if !pattern.contains('/') && is_host(pattern) {
            return Self { host: WildMatch::new(&pattern.to_lowercase()), path: None };
        }
        let (host, path) = split_registry(pattern);
        Self { host: WildMatch::new(&host), path: Some(WildMatch::new(&path)) }
    }

    /// Whether it admits an image. A path may be given with the tag, or without.
    pub(crate) fn admits(&self, image: &ImageRef<'_>) -> bool {
        if !self.host.matches(&image.registry) || image.repository.is_empty() {
            return false;
        }
        let Some(path) = &self.path else {
            return true;
        };
        path.matches(&image.repository)
            || image.tag.is_some_and(|tag| path.matches(&format!("{}:{tag}", image.repository)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_are_taken_apart() {
        for (image, registry, repository, tag, digest) in [
            ("nginx", "docker.io", "library/nginx", None, None),
            ("nginx:1.27", "docker.io", "library/nginx", Some("1.27"), None),
            ("acme/app", "docker.io", "acme/app", None, None),
            ("docker.io/nginx", "docker.io", "library/nginx", None, None),
            ("index.docker.io/acme/app:1", "docker.io", "acme/app", Some("1"), None),
            ("localhost/app", "localhost", "app", None, None),
            ("localhost:5000/app:v1", "localhost:5000", "app", Some("v1"), None),
            ("GHCR.io/acme/app", "ghcr.io", "acme/app", None, None),
            ("r.test:443/a/b/c@sha256:0f", "r.test:443", "a/b/c", None, Some("sha256:0f")),
            ("r.test/a:v1@sha256:0f", "r.test", "a", Some("v1"), Some("sha256:0f")),
            ("r.test/a@sha256:TAG", "r.test", "a", None, None),
            ("r.test/a:", "r.test", "a", None, None),
            ("", "docker.io", "library/", None, None),
        ] {
            let parsed = ImageRef::parse(image);
            let expected =
                ImageRef { registry: registry.into(), repository: repository.into(), tag, digest };
            assert_eq!(parsed, expected, "{image}");
        }
    }

    #[test]
    fn patterns_admit_hosts_and_paths() {
        for (pattern, image, admitted) in [
            ("ghcr.io", "ghcr.io/acme/app:1", true),
            ("ghcr.io", "ghcr.io.evil.test/acme/app", false),
            ("ghcr.io/", "ghcr.io/acme/app", true),
            ("ghcr.io/acme/*", "ghcr.io/acme/team/app:1@sha256:0f", true),
            ("ghcr.io/acme/*", "ghcr.io/acme-evil/app", false),
            ("GHCR.io/acme/*", "ghcr.io/acme/app", true),
            ("*.example.com/*", "eu.example.com/app", true),
            ("*.example.com/*", "evil.test/x.example.com/app", false),
            ("*", "evil.test/app", true),
            ("docker.io/library/*", "nginx", true),
            ("docker.io/*", "acme/app", true),
            ("docker.io/nginx", "nginx:1.27", true),
            ("docker.io", "quay.io/nginx", false),
            ("acme/*", "docker.io/acme/app", true),
            ("nginx", "nginx:1", true),
            ("docker.io/library/nginx:1.*", "nginx:1.27", true),
            ("docker.io/library/nginx:1.*", "nginx:2.0", false),
            ("r.test:5000/*", "r.test:5000/app", true),
            ("r.test/*", "r.test:5000/app", false),
        ] {
            let pattern_matches = RegistryPattern::new(pattern).admits(&ImageRef::parse(image));
            assert_eq!(pattern_matches, admitted, "{pattern} on {image}");
        }
    }

    #[test]
    fn latest_is_the_tag_or_its_absence_without_a_digest() {
        for (image, latest) in [
            ("nginx", true),
            ("nginx:latest", true),
            ("r.test:5000/nginx", true),
            ("nginx:1.27", false),
            ("nginx:latest@sha256:0f", false),
            ("nginx@sha256:zz", true),
        ] {
            assert_eq!(!ImageRef::parse(image).names_a_version(), latest, "{image}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart(image in ".*", pattern in ".*") {
            RegistryPattern::new(&pattern).admits(&ImageRef::parse(&image));
        }
    }
}
