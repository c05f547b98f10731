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
        let user = user.zip(pseudonyms).map(|(user, pseudonyms)| {
            let pseudonym = |person: &str| pseudonyms.pseudonym(person);
            Pseudonymizer::new(&pseudonym).user(&user)
        });
        OperatorData { image, node, user, flags, ..OperatorData::new(event, VERSION.to_owned()) }
    }
}
