//! Patterns for where images may come from.

use super::{
    image_name::{DEFAULT_REGISTRY, LEGACY_REGISTRY, some_host_fits, some_path_fits},
    invalid::{FieldPath, Problems},
};

/// A pattern in its parts. Host and path are matched apart: a `*` in the host must not reach into
/// the path, where whoever owns the host chooses the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegistryPattern {
    /// The pattern for host and port, in lower case.
    pub host: String,
    /// The pattern for the path, which may end with a tag. None for all of a registry.
    pub path: Option<String>,
}

impl RegistryPattern {
    /// `ghcr.io` or `*.example.com` for all of a registry, `ghcr.io/acme/*` for a part of it;
    /// `acme/*` and `nginx` are of Docker Hub, as in the reference of a pod.
    pub fn read(pattern: &str) -> Self {
        let (pattern, all_below) = match pattern.strip_suffix('/') {
            Some(folder) => (folder, true),
            None => (pattern, false),
        };
        let (host, path) = match pattern.split_once('/') {
            Some((host, path)) if names_host(host) => (host, Some(path)),
            None if is_host_alone(pattern) => (pattern, None),
            _ => (DEFAULT_REGISTRY, Some(pattern)),
        };
        // Both names are one registry, and runtimes report the current one.
        let host = if host == LEGACY_REGISTRY { DEFAULT_REGISTRY } else { host };
        let below = if all_below { "/*" } else { "" };
        Self { host: host.to_lowercase(), path: path.map(|path| format!("{path}{below}")) }
    }
}

/// A first part without a dot or a colon is a folder of Docker Hub, not a host.
fn names_host(part: &str) -> bool {
    part == "localhost"
        || part.contains(['.', ':', '*', '?'])
        || part.contains(|c: char| c.is_ascii_uppercase())
}

/// `nginx:1.27` is an image with its tag, `registry:5000` a host with its port.
fn is_host_alone(pattern: &str) -> bool {
    match pattern.split_once(':') {
        Some((name, port)) if !name.contains('.') && !name.starts_with('[') => {
            port.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '?'))
        }
        _ => names_host(pattern),
    }
}

/// Says of a pattern that can match no image why, and what to write.
pub(crate) fn validate(pattern: &str, at: &FieldPath, problems: &mut Problems) {
    let mut refuse = |problem: &str, remedy: String| {
        problems.push(at, format!("{pattern:?} cannot match any image: {problem}"), remedy);
    };
    // The frequent mistakes first, with the text to write instead; the grammar alone would only say
    // that the pattern matches nothing.
    if let Some((_, name)) = pattern.split_once("://") {
        return refuse("image names have no scheme", format!("write {name}"));
    }
    if let Some((name, _)) = pattern.split_once('@') {
        return refuse(
            "patterns are compared with names and tags, not with digests",
            format!("write {name}, and require: [ImageDigest] to ask for a digest"),
        );
    }
    let RegistryPattern { host, path } = RegistryPattern::read(pattern);
    if !some_host_fits(&host) {
        return refuse(
            &format!("{host} is not the host of a registry"),
            "write a host such as registry.example.com or registry.example.com:5000, then a slash and the path".to_owned(),
        );
    }
    let Some(path) = path.filter(|path| !some_path_fits(path)) else {
        return;
    };
    let lower = path.to_lowercase();
    // Only if the capitals are all that is wrong.
    if lower != path && some_path_fits(&lower) {
        return refuse(
            "the path of an image has no capital letters",
            format!("write {lower} for {path}"),
        );
    }
    refuse(
        &format!("{path} is not a path in a registry"),
        "write folders and a name of a-z, 0-9, ., _ and - with single slashes between them, such as registry.example.com/team/*".to_owned(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(pattern: &str) -> Option<String> {
        let mut problems = Problems::default();
        validate(pattern, &FieldPath::new("registries[0]"), &mut problems);
        problems.into_result().err().map(|error| error.to_string())
    }

    #[test]
    fn patterns_are_taken_apart() {
        for (pattern, host, path) in [
            ("ghcr.io", "ghcr.io", None),
            ("ghcr.io/", "ghcr.io", None),
            ("GHCR.io/acme/*", "ghcr.io", Some("acme/*")),
            ("ghcr.io/acme/", "ghcr.io", Some("acme/*")),
            ("localhost", "localhost", None),
            ("registry:5000", "registry:5000", None),
            ("registry:5000/team/*", "registry:5000", Some("team/*")),
            ("[::1]:5000", "[::1]:5000", None),
            ("*", "*", None),
            ("*.example.com", "*.example.com", None),
            ("nginx", "docker.io", Some("nginx")),
            ("nginx:1.27", "docker.io", Some("nginx:1.27")),
            ("acme/*", "docker.io", Some("acme/*")),
            ("index.docker.io/acme/app", "docker.io", Some("acme/app")),
        ] {
            let expected = RegistryPattern { host: host.into(), path: path.map(str::to_owned) };
            assert_eq!(RegistryPattern::read(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn what_can_match_no_image_says_why() {
        for (pattern, wanted) in [
            ("https://registry.corp/team/*", "no scheme; write registry.corp/team/*"),
            ("docker://nginx", "no scheme; write nginx"),
            ("oci://*", "no scheme; write *"),
            ("registry.corp/app@sha256:*", "not with digests; write registry.corp/app,"),
            ("registry.corp/Team/*", "no capital letters; write team/* for Team/*"),
            ("registry.corp:v1", "registry.corp:v1 is not the host"),
            ("registry.corp:5000:1/team", "is not the host"),
            ("my_registry.corp/team/*", "is not the host"),
            ("-registry.corp", "is not the host"),
            ("registry..corp", "is not the host"),
            ("registry.corp//team", "is not a path"),
            ("/team/app", "is not a path"),
            ("registry.corp/team/.hidden", "is not a path"),
            ("registry.corp/a___b", "is not a path"),
            ("registry.corp/team/app:", "is not a path"),
            ("registry.corp/team/app:-1", "is not a path"),
            ("registry.corp/team app", "is not a path"),
            ("registry.corp/team/app:1:2", "is not a path"),
            ("registry.corp/ä*", "is not a path"),
        ] {
            let problem = problem(pattern);
            assert!(
                problem.as_ref().is_some_and(|it| it.contains(wanted)),
                "{pattern} {problem:?}"
            );
        }
    }

    #[test]
    fn what_can_match_is_taken() {
        for pattern in [
            "*",
            "*/*",
            "?.corp",
            "registry.corp",
            "registry.corp:5000/team/*",
            "registry.corp/team/*:v*",
            "registry.corp/team/app:V1_2.3-rc",
            "registry.corp/a__b/c--d/e.f",
            "[2001:db8::1]:5000/*",
            "REGISTRY.corp/team/*",
            "nginx:*",
            "*-docker.pkg.dev/acme/*",
        ] {
            assert_eq!(problem(pattern), None, "{pattern}");
        }
    }
}
