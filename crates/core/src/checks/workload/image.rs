//! Image references, resolved as container runtimes resolve them.

use std::borrow::Cow;

use wildmatch::WildMatch;

use crate::api::{
    image_name::{self, DEFAULT_FOLDER, DEFAULT_REGISTRY, LEGACY_REGISTRY},
    registry,
};

/// A reference in its parts: `nginx` is `docker.io/library/nginx`.
#[derive(Debug, PartialEq, Eq)]
pub struct ImageRef<'a> {
    /// Host and port, in lower case.
    pub registry: Cow<'a, str>,
    /// The path in the registry, without tag and digest.
    pub repository: Cow<'a, str>,
    /// The tag, where one is given.
    pub tag: Option<&'a str>,
    /// The digest, where one is given: `sha256:...`.
    pub digest: Option<&'a str>,
}

/// The longest path in a registry, in bytes.
const MAX_PATH: usize = 255;

impl<'a> ImageRef<'a> {
    /// Takes a reference apart. None for what no container runtime takes: the kubelet calls it
    /// `InvalidImageName`.
    pub fn parse(image: &'a str) -> Option<Self> {
        // It would be taken for the id of an image of the node.
        if is_hex(image, 64) {
            return None;
        }
        let (registry, rest) = match image.split_once('/') {
            Some((host, rest)) if names_host(host) => (host, rest),
            _ => (DEFAULT_REGISTRY, image),
        };
        // index.docker.io is Docker Hub by its old name: a pattern for one must admit the other.
        let registry = if registry == LEGACY_REGISTRY { DEFAULT_REGISTRY } else { registry };
        let (name, digest) = match rest.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (rest, None),
        };
        let (path, tag) = match name.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (name, None),
        };
        let valid = image_name::is_host(registry)
            && image_name::is_path(path)
            && tag.is_none_or(image_name::is_tag)
            && digest.is_none_or(is_digest);
        // Only on Docker Hub does a name without a folder mean `library/`.
        let official = registry == DEFAULT_REGISTRY && !path.contains('/');
        let repository = if official {
            Cow::Owned(format!("{DEFAULT_FOLDER}{path}"))
        } else {
            Cow::Borrowed(path)
        };
        (valid && repository.len() <= MAX_PATH).then(|| Self {
            registry: lower_case(registry),
            repository,
            tag,
            digest,
        })
    }

    /// Whether it says which of the images of a repository is meant: `latest`, or no tag at all, is
    /// whatever was pushed last.
    pub(crate) fn names_a_version(&self) -> bool {
        self.digest.is_some() || self.tag.is_some_and(|tag| tag != "latest")
    }

    /// The name of an official image as people write it, `nginx`; None of any other image.
    fn short_name(&self) -> Option<&str> {
        (self.registry == DEFAULT_REGISTRY)
            .then(|| self.repository.strip_prefix(DEFAULT_FOLDER))
            .flatten()
            .filter(|name| !name.contains('/'))
    }
}

/// A first part without a dot, a colon or a capital is a folder of Docker Hub, not a host.
fn names_host(part: &str) -> bool {
    part == "localhost" || part.contains(|c: char| matches!(c, '.' | ':') || c.is_uppercase())
}

fn lower_case(host: &str) -> Cow<'_, str> {
    if host.contains(|c: char| c.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// The algorithms that container runtimes have (github.com/opencontainers/go-digest).
fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| match algorithm {
        "sha256" => is_hex(hex, 64),
        "sha384" => is_hex(hex, 96),
        "sha512" => is_hex(hex, 128),
        _ => false,
    })
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A pattern for where images may come from, compiled.
#[derive(Debug)]
pub(crate) struct ImageSourcePattern {
    host: WildMatch,
    path: Option<WildMatch>,
}

impl ImageSourcePattern {
    pub(crate) fn new(pattern: &str) -> Self {
        let registry::RegistryPattern { host, path } = registry::RegistryPattern::read(pattern);
        Self { host: WildMatch::new(&host), path: path.map(|path| WildMatch::new(&path)) }
    }

    /// Whether it admits an image. A path may be given with the tag, or without.
    pub(crate) fn admits(&self, image: &ImageRef<'_>) -> bool {
        // The host first and alone: a `*` in it must not reach into the path, which anybody may choose.
        if !self.host.matches(&image.registry) {
            return false;
        }
        let Some(path) = &self.path else {
            return true;
        };
        let names = [Some(image.repository.as_ref()), image.short_name()];
        names.into_iter().flatten().any(|name| {
            path.matches(name)
                || image.tag.is_some_and(|tag| path.matches(&format!("{name}:{tag}")))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::invalid::{FieldPath, Problems};

    const HEX: &str = "b0ad43f7ee5edbc0effbc14645ae7055e21bc1973aee5150745632a24a752661";

    fn admits(pattern: &str, image: &str) -> bool {
        ImageRef::parse(image).is_some_and(|image| ImageSourcePattern::new(pattern).admits(&image))
    }

    #[test]
    fn references_are_taken_apart() {
        let digest = format!("sha256:{HEX}");
        let of = |name: &str| format!("{name}@{digest}");
        let some = Some(digest.as_str());
        for (image, registry, repository, tag, digest) in [
            ("nginx".to_owned(), "docker.io", "library/nginx", None, None),
            ("nginx:1.27".to_owned(), "docker.io", "library/nginx", Some("1.27"), None),
            ("acme/app".to_owned(), "docker.io", "acme/app", None, None),
            ("docker.io/nginx".to_owned(), "docker.io", "library/nginx", None, None),
            ("index.docker.io/acme/app:1".to_owned(), "docker.io", "acme/app", Some("1"), None),
            ("localhost/app".to_owned(), "localhost", "app", None, None),
            ("localhost:5000/app:v1".to_owned(), "localhost:5000", "app", Some("v1"), None),
            ("GHCR.io/acme/app".to_owned(), "ghcr.io", "acme/app", None, None),
            ("Corp/app".to_owned(), "corp", "app", None, None),
            ("[::1]:5000/app".to_owned(), "[::1]:5000", "app", None, None),
            (of("r.test:443/a/b/c"), "r.test:443", "a/b/c", None, some),
            (of("r.test/a:v1"), "r.test", "a", Some("v1"), some),
            (of("nginx"), "docker.io", "library/nginx", None, some),
        ] {
            let expected =
                ImageRef { registry: registry.into(), repository: repository.into(), tag, digest };
            assert_eq!(ImageRef::parse(&image), Some(expected), "{image}");
        }
    }

    #[test]
    fn what_no_runtime_takes_is_no_reference() {
        let upper = HEX.to_uppercase();
        let long = format!("r.test/{}", "a".repeat(256));
        for image in [
            "",
            ":1",
            "r.test/App:1",
            "r.test/app:",
            "r.test/app:-1",
            "r.test/app:v 1",
            "r.test/app@",
            "r.test/app@sha256:abc",
            &format!("r.test/app@sha256:{upper}"),
            &format!("r.test/app@sha256:{HEX}0"),
            &format!("r.test/app@sha512:{HEX}"),
            &format!("r.test/app@md5:{}", "0".repeat(32)),
            &format!("r.test/app@SHA256:{HEX}"),
            &format!("r.test/app@sha256:{HEX}:1"),
            HEX,
            "r.test//app",
            "/app",
            "app/",
            "r.test/a..b",
            "r.test/a___b",
            "r.test:port/app",
            "nginx:one/app",
            "https://r.test/app",
            "{{ .Values.image }}",
            "$(IMAGE)",
            "äpp",
            &long,
        ] {
            assert_eq!(ImageRef::parse(image), None, "{image}");
        }
    }

    #[test]
    fn patterns_admit_hosts_and_paths() {
        for (pattern, image, admitted) in [
            ("ghcr.io", "ghcr.io/acme/app:1", true),
            ("ghcr.io", "ghcr.io.evil.test/acme/app", false),
            ("ghcr.io/", "ghcr.io/acme/app", true),
            ("ghcr.io/acme/*", &format!("ghcr.io/acme/team/app:1@sha256:{HEX}"), true),
            ("ghcr.io/acme/*", "ghcr.io/acme-evil/app", false),
            ("ghcr.io/acme/", "ghcr.io/acme/team/app", true),
            ("ghcr.io/acme/", "ghcr.io/acme-evil/app", false),
            ("GHCR.io/acme/*", "ghcr.io/acme/app", true),
            ("*.example.com/*", "eu.example.com/app", true),
            ("*.example.com/*", "evil.test/x.example.com/app", false),
            ("*", "evil.test/app", true),
            ("docker.io/library/*", "nginx", true),
            ("docker.io/*", "acme/app", true),
            ("docker.io/nginx", "nginx:1.27", true),
            ("docker.io/ngin*", "nginx:1.27", true),
            ("docker.io", "quay.io/nginx", false),
            ("docker.io", "index.docker.io/acme/app", true),
            ("acme/*", "docker.io/acme/app", true),
            ("library/*", "nginx", true),
            ("nginx", "nginx:1", true),
            ("nginx", "acme/nginx", false),
            ("nginx:1.*", "nginx:1.27", true),
            ("nginx:1.*", "nginx:2.0", false),
            ("docker.io/library/nginx:1.*", "nginx:1.27", true),
            ("docker.io/library/nginx:1.*", "nginx:2.0", false),
            ("r.test:5000/*", "r.test:5000/app", true),
            ("r.test/*", "r.test:5000/app", false),
            ("r.test/*", "r.test/App", false),
        ] {
            assert_eq!(admits(pattern, image), admitted, "{pattern} on {image}");
        }
    }

    #[test]
    fn latest_is_the_tag_or_its_absence_without_a_digest() {
        for (image, latest) in [
            ("nginx", true),
            ("nginx:latest", true),
            ("r.test:5000/nginx", true),
            ("nginx:1.27", false),
            ("nginx:latest-2024", false),
            ("r.test/latest:1", false),
            (&format!("nginx:latest@sha256:{HEX}"), false),
        ] {
            let names = ImageRef::parse(image).unwrap().names_a_version();
            assert_eq!(!names, latest, "{image}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart(image in ".*", pattern in ".*") {
            admits(&pattern, &image);
        }

        #[test]
        fn a_refused_pattern_admits_nothing_and_a_name_is_never_refused(
            pattern in "(https://)?[aA.:*?_-]{1,6}(/[aA.:*?_@-]{0,6}){0,2}",
            image in "[aA]{1,2}([.:-][a0]{1,2})?(/[a]{1,2}([._-]{1,2}a)?){0,2}(:[aA0]{1,2})?",
        ) {
            let refused = |pattern: &str| {
                let mut problems = Problems::default();
                registry::validate(pattern, &FieldPath::new(""), &mut problems);
                !problems.is_empty()
            };
            prop_assert!(!(refused(&pattern) && admits(&pattern, &image)));
            if image.contains('/') && ImageRef::parse(&image).is_some() {
                prop_assert!(!refused(&image) && admits(&image, &image));
            }
        }
    }
}
