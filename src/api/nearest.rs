//! What somebody may have meant who wrote a name that does not exist.

/// The candidate that a name was most likely meant to be; None when none is near.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .filter_map(|candidate| Some((distance(&lower, &candidate.to_lowercase())?, candidate)))
        .min()
        .map(|(_, candidate)| candidate)
}

/// How far two names are apart; None when nobody would take one for the other.
fn distance(name: &str, candidate: &str) -> Option<usize> {
    if name == candidate || is_plural(name, candidate) || is_plural(candidate, name) {
        return Some(0);
    }
    // A group that was left away, or a longer name that begins or ends like this one.
    if name.len() > 3
        && candidate.split('.').next().is_some_and(|first| first == name || is_plural(name, first))
    {
        return Some(1);
    }
    let apart = strsim::damerau_levenshtein(name, candidate);
    let longest = name.chars().count().max(candidate.chars().count());
    if apart * 3 <= longest {
        return Some(apart);
    }
    let contained = name.len() > 3 && (candidate.contains(name) || name.contains(candidate));
    contained.then_some(longest)
}

/// `pods` of `pod`, `ingresses` of `ingress`, `policies` of `policy`.
fn is_plural(one: &str, many: &str) -> bool {
    let stem = one.strip_suffix('y');
    many.strip_suffix('s') == Some(one)
        || many.strip_suffix("es") == Some(one)
        || stem.is_some_and(|stem| many.strip_suffix("ies") == Some(stem))
}

/// `: did you mean X?`, or nothing.
pub fn suggestion<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, candidates).map_or_else(String::new, |near| format!(": did you mean {near}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["secrets", "pods", "ingresses.networking.k8s.io", "deployments.apps", "Pod"];
        for (name, expected) in [
            ("secret", Some("secrets")),
            ("Secrets", Some("secrets")),
            ("secretes", Some("secrets")),
            ("deployments", Some("deployments.apps")),
            ("deployment", Some("deployments.apps")),
            ("ingress", Some("ingresses.networking.k8s.io")),
            ("pod", Some("Pod")),
            ("unicorns", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, names), expected, "{name}");
        }
        assert_eq!(nearest("no-typo", ["no-typos-here", "no-type"]), Some("no-type"));
        assert_eq!(suggestion("pdos", ["pods"]), ": did you mean pods?");
    }
}
