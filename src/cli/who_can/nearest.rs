//! What somebody may have meant who mistyped a name.

/// How many names are proposed.
const SHOWN: usize = 3;
/// No name is longer (a DNS subdomain is 253).
const MAX_LENGTH: usize = 256;

/// The known names nearest to a mistyped one, the nearest first; none where all are too far.
pub(super) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let written = written.to_lowercase();
    let length = written.chars().count();
    if length > MAX_LENGTH {
        return Vec::new();
    }
    let near = |name: &str| {
        // Who stops early means what begins so.
        if length >= 3 && name.starts_with(&written) {
            return Some(1);
        }
        let distance = strsim::osa_distance(&written, &name.to_lowercase());
        (distance <= (length / 3).max(1)).then_some(distance)
    };
    let known = known.into_iter().filter(|name| name.len() <= MAX_LENGTH);
    let mut found: Vec<(usize, &str)> =
        known.filter_map(|name| Some((near(name)?, name))).collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|(_, name)| name).take(SHOWN).collect()
}

/// `; did you mean pods, podtemplates or pods.metrics.k8s.io?`, or nothing.
pub(super) fn did_you_mean(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("; did you mean {}?", either(names)),
    }
}

/// `a, b or c`.
pub(super) fn either(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_near_by_a_third_of_their_letters() {
        let known = ["pods", "podtemplates", "nodes", "secrets", "services", "endpoints", "jobs"];
        for (written, expected) in [
            ("podz", &["pods"][..]),
            ("PODS", &["pods"]),
            ("podd", &["pods"]),
            ("secret", &["secrets"]),
            ("sercets", &["secrets"]),
            ("endpoint", &["endpoints"]),
            ("podt", &["pods", "podtemplates"]),
            ("xyz", &[]),
            ("x", &[]),
            ("", &[]),
        ] {
            assert_eq!(nearest(written, known), expected, "{written}");
        }
        assert!(nearest(&"pods".repeat(1000), known).is_empty());
    }

    #[test]
    fn proposals_read_as_a_sentence() {
        let names =
            |names: &[&str]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
        assert_eq!(did_you_mean(&[]), "");
        assert_eq!(did_you_mean(&names(&["a"])), "; did you mean a?");
        assert_eq!(did_you_mean(&names(&["a", "b", "c"])), "; did you mean a, b or c?");
    }
}
