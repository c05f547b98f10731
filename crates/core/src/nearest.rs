//! What somebody may have meant by a name that does not exist.

/// How many names are proposed.
const SHOWN: usize = 3;

/// No name is longer (a DNS subdomain has at most 253 characters).
const MAX_LENGTH: usize = 256;

/// The known names that the written one was most likely meant to be, the nearest first; none when
/// nothing is near. Case is ignored.
pub fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Vec<&'k str> {
    if written.len() > MAX_LENGTH {
        return Vec::new();
    }
    let lower = written.to_lowercase();
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter(|name| *name != written && name.len() <= MAX_LENGTH)
        .filter_map(|name| Some((distance(&lower, &name.to_lowercase())?, name)))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(SHOWN).map(|(_, name)| name).collect()
}

/// How far two names are apart; None when nobody would take one for the other.
fn distance(written: &str, known: &str) -> Option<usize> {
    if written == known || is_plural(written, known) || is_plural(known, written) {
        return Some(0);
    }
    let length = written.chars().count();
    if length < 3 {
        return None;
    }
    // A group that was left out, or a name whose writer stopped early.
    let first = known.split('.').next().unwrap_or(known);
    if is_plural(written, first) || known.starts_with(written) {
        return Some(1);
    }
    let apart = strsim::osa_distance(written, known);
    (apart <= (length / 3).max(1)).then_some(apart)
}

/// `pods` of `pod`, `ingresses` of `ingress`, `policies` of `policy`.
fn is_plural(one: &str, many: &str) -> bool {
    many.strip_suffix('s') == Some(one)
        || many.strip_suffix("es") == Some(one)
        || one.strip_suffix('y').is_some_and(|stem| many.strip_suffix("ies") == Some(stem))
}

/// The end of an error's sentence: `; did you mean pods, nodes or jobs?`, or nothing.
pub fn did_you_mean<N: AsRef<str>>(near: &[N]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", either(near)) }
}

/// `a, b or c`; empty for none.
pub fn either<N: AsRef<str>>(names: &[N]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A remedy: `write pods or nodes`, or another one when nothing is near.
pub fn write_instead<'k>(
    written: &str,
    known: impl IntoIterator<Item = &'k str>,
    otherwise: &str,
) -> String {
    match nearest(written, known).as_slice() {
        [] => otherwise.to_owned(),
        near => format!("write {}", either(near)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_plurals_and_left_out_groups_are_near_and_other_words_are_not() {
        let known = [
            "pods",
            "podtemplates",
            "nodes",
            "secrets",
            "jobs",
            "ingresses.networking.k8s.io",
            "deployments.apps",
        ];
        for (written, expected) in [
            ("podz", &["pods"][..]),
            ("PODS", &["pods"]),
            ("pod", &["pods", "podtemplates"]),
            ("podt", &["podtemplates", "pods"]),
            ("sercets", &["secrets"]),
            ("ndoes", &["nodes"]),
            ("deployment", &["deployments.apps"]),
            ("ingress", &["ingresses.networking.k8s.io"]),
            ("gateway", &[]),
            ("xyz", &[]),
            ("x", &[]),
            ("", &[]),
        ] {
            let mut found = nearest(written, known);
            let mut expected = expected.to_vec();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{written}");
        }
        assert_eq!(nearest("policy", ["policies", "police"]).first(), Some(&"policies"));
        assert!(nearest(&"pods".repeat(1000), known).is_empty());
    }

    #[test]
    fn proposals_read_as_a_sentence() {
        assert_eq!(did_you_mean::<&str>(&[]), "");
        assert_eq!(did_you_mean(&["a"]), "; did you mean a?");
        assert_eq!(did_you_mean(&["a", "b", "c"]), "; did you mean a, b or c?");
        assert_eq!(write_instead("podz", ["pods"], "write another"), "write pods");
        assert_eq!(write_instead("x", ["pods"], "write another"), "write another");
    }
}
