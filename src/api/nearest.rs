//! What somebody may have meant who mistyped a name.

/// How many names are proposed.
const SHOWN: usize = 3;
/// No name is longer (a DNS subdomain is 253).
const MAX_LENGTH: usize = 256;

/// The known names nearest to a mistyped one, the nearest first; none where all are too far.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if written.len() > MAX_LENGTH {
        return Vec::new();
    }
    let written = written.to_lowercase();
    let bound = (written.chars().count() / 3).max(1);
    let known = known.into_iter().filter(|name| name.len() <= MAX_LENGTH);
    let mut found: Vec<(usize, &str)> = known
        .map(|name| (strsim::osa_distance(&written, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= bound)
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|(_, name)| name).take(SHOWN).collect()
}

/// `write secrets`, `write pods or nodes`; what to write otherwise where nothing is near.
pub fn write_instead<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    match nearest(written, known).as_slice() {
        [] => otherwise.to_owned(),
        near => format!("write {}", near.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_near_by_a_third_of_their_letters() {
        let known = ["pods", "nodes", "secrets", "services", "serviceaccounts"];
        for (written, expected) in [
            ("secret", &["secrets"][..]),
            ("SECRETS", &["secrets"]),
            ("pod", &["pods"]),
            ("serviceacounts", &["serviceaccounts"]),
            ("widgets", &[]),
            ("", &[]),
        ] {
            assert_eq!(nearest(written, known), expected, "{written}");
        }
        assert!(nearest(&"pods".repeat(1000), known).is_empty());
    }
}
