//! Who runs the operator, as its entries say: which image, on which node, as which user, and how it
//! was started.

use comptroller_evidence::{
    data::{OperatorData, OperatorEvent},
    entry::Data,
    key::Pseudonyms,
    privacy::Pseudonymizer,
};

/// The version of this program, as the log names it.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who runs the operator. What is not known is None.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorIdentity {
    /// The image of its container, with the digest.
    pub image: Option<String>,
    /// The node that it runs on.
    pub node: Option<String>,
    /// The user that the API server knows it as; a person's name is a pseudonym in the log.
    pub user: Option<String>,
    /// Its command line, without the program.
    pub flags: Vec<String>,
}

impl OperatorIdentity {
    /// What an entry says of this process and of what happened to it.
    pub(crate) fn entry(&self, event: OperatorEvent, pseudonyms: Option<&Pseudonyms>) -> Data {
        Data::Operator(Box::new(self.data(event, pseudonyms)))
    }

    /// What the entry of its start says.
    pub(crate) fn started(&self, pseudonyms: &Pseudonyms) -> OperatorData {
        self.data(OperatorEvent::Started, Some(pseudonyms))
    }

    fn data(&self, event: OperatorEvent, pseudonyms: Option<&Pseudonyms>) -> OperatorData {
        let Self { image, node, user, flags } = self.clone();
        // Without pseudonyms a name could not be kept out of the log, so it is left out.
        let named = |person: &str| match pseudonyms {
            Some(pseudonyms) => {
                let pseudonym = |person: &str| pseudonyms.pseudonym(person);
                Pseudonymizer::new(&pseudonym).user(person)
            }
            None => String::new(),
        };
        let user = user.filter(|_| pseudonyms.is_some()).map(|user| named(&user));
        let flags = flags.iter().map(|flag| flag_without_people(flag, &named)).collect();
        OperatorData { image, node, user, flags, ..OperatorData::new(event, VERSION.to_owned()) }
    }
}

/// A word of the command line: rules of break-glass access may name a person, as `user:NAME`.
fn flag_without_people(flag: &str, named: &impl Fn(&str) -> String) -> String {
    let (before, value) = match flag.split_once('=') {
        Some(("--break-glass", value)) => ("--break-glass=", value),
        _ => ("", flag),
    };
    match value.strip_prefix("user:") {
        Some(person) => format!("{before}user:{}", named(person)),
        None => flag.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_name_nobody() {
        let named = |person: &str| format!("<{}>", person.len());
        for (flag, expected) in [
            ("--break-glass=user:jane", "--break-glass=user:<4>"),
            ("user:jane", "user:<4>"),
            ("--break-glass=group:ops", "--break-glass=group:ops"),
            ("--listen=0.0.0.0:8443", "--listen=0.0.0.0:8443"),
        ] {
            assert_eq!(flag_without_people(flag, &named), expected);
        }
    }
}
