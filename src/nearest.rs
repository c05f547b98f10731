//! What somebody may have meant by a name that does not exist.

/// More than three suggestions are none.
const SUGGESTIONS: usize = 3;

/// The known names that are a slip of the pen away from the written one, the nearest first; none
/// when nothing is near. Case is ignored.
pub fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Vec<&'k str> {
    let lower = written.to_lowercase();
    // One slip in three letters: `podz` is near `pods`, `ops` is not near `pods`.
    let limit = (written.chars().count() / 3).max(1);
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(SUGGESTIONS).map(|(_, name)| name).collect()
}

/// A remedy: `write pods or nodes`, or another one when nothing is near.
pub fn write_instead<'k>(
    written: &str,
    known: impl IntoIterator<Item = &'k str>,
    otherwise: &str,
) -> String {
    match nearest(written, known).as_slice() {
        [] => otherwise.to_owned(),
        near => format!("write {}", near.join(" or ")),
    }
}

/// The end of an error's sentence: `; did you mean pods or nodes?`, or nothing.
pub fn did_you_mean<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    match nearest(written, known).as_slice() {
        [] => String::new(),
        [only] => format!("; did you mean {only}?"),
        [first @ .., last] => format!("; did you mean {} or {last}?", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        let known = ["pods", "nodes", "podtemplates", "Secret", "secrets"];
        assert_eq!(nearest("podz", known), ["pods"]);
        assert_eq!(nearest("secret", known), ["Secret", "secrets"]);
        assert_eq!(nearest("gateway", known), Vec::<&str>::new());
        assert_eq!(did_you_mean("secret", known), "; did you mean Secret or secrets?");
        assert_eq!(did_you_mean("ndoes", known), "; did you mean nodes?");
        assert_eq!(did_you_mean("x", known), "");
    }
}
