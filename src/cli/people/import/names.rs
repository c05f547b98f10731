//! Names of Person objects, made from what an export identifies somebody by. Pure.

use sha2::{Digest as _, Sha256};

/// The longest name that is made: the API server takes 253.
const LONGEST: usize = 200;

/// How many hexadecimal digits tell two texts apart that look alike as names.
const DIGITS: usize = 10;

/// The name of the object for somebody who is known by this text, such as an address: letters in lower
/// case, and a dot for the `@`. A text that loses more than that gets a part of its digest, so that
/// two texts never have one name by what they lost. The same text always has the same name.
pub fn object_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut lost = false;
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9' | '-' | '.') => name.push(c),
            '@' => name.push('.'),
            _ => {
                lost = true;
                name.push('-');
            }
        }
    }
    let mut whole = name.clone();
    if !is_legal(&whole) || whole.len() > LONGEST {
        lost = true;
        let parts = whole.split('.').map(|part| part.trim_matches('-'));
        let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        whole = parts.join(".");
        whole.truncate(LONGEST - DIGITS - 1);
        whole.truncate(whole.trim_end_matches(['-', '.']).len());
    }
    if !lost {
        return whole;
    }
    let digest = comptroller_vocabulary::hex(&Sha256::digest(text.as_bytes()));
    let digest = digest.get(..DIGITS).unwrap_or_default();
    if whole.is_empty() { format!("p-{digest}") } else { format!("{whole}-{digest}") }
}

/// Whether a text can be the name of an object: a DNS subdomain (RFC 1123).
pub fn is_legal(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_legal_and_tell_who_it_is() {
        for (text, name) in [
            ("jane.doe@example.com", "jane.doe.example.com"),
            ("Jane.Doe@Example.com", "jane.doe.example.com"),
            ("00123", "00123"),
            ("oidc:jane", "oidc-jane-"),
            ("Zoë", "zo-"),
            ("日本", "p-"),
            ("a..b", "a.b-"),
            ("-x-", "x-"),
        ] {
            let made = object_name(text);
            assert!(
                made == name || name.ends_with('-') && made.starts_with(name),
                "{text}: {made}"
            );
        }
        assert_ne!(object_name("oidc:jane"), object_name("oidc/jane"));
    }

    proptest! {
        #[test]
        fn every_name_is_legal_and_steady(text in "\\PC{1,300}") {
            let name = object_name(&text);
            prop_assert!(is_legal(&name), "{name}");
            prop_assert_eq!(object_name(&text), name);
        }

        /// Texts that lose something have different names.
        #[test]
        fn what_was_lost_tells_names_apart(a in "[a-z:/_ ]{1,8}", b in "[a-z:/_ ]{1,8}") {
            let lossy = |text: &str| text.contains([':', '/', '_', ' ']);
            prop_assume!(a != b && lossy(&a) && lossy(&b));
            prop_assert_ne!(object_name(&a), object_name(&b));
        }
    }
}
