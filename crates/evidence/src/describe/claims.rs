//! What an entry proves and what it does not, by its type: no type can be left out.

use crate::entry::EntryType;

/// What an entry of a type proves, beside that it is in the log.
pub(super) struct Claims {
    pub proves: &'static [&'static str],
    pub does_not_prove: &'static [&'static str],
}

/// Of an entry of a register.
const REGISTER: (&[&str], &[&str]) = (
    &[
        "that the operator saw these come, go or change at the times given, or found so by comparison where the entry says between which times",
        "what is in the register after it: its digest and total follow from this entry and those before it, and one that was left out or edited is found",
    ],
    &[
        "who made the change, where no field says so",
        "what came and went again while nobody looked: see the gaps",
    ],
);

/// Of an entry about the audit stream.
const USAGE: (&[&str], &[&str]) = (
    &["that the API server's audit events of this time, as far as they arrived, said so"],
    &[
        "what the cluster holds: it says only who did what",
        "that what is not named was not used, wherever the stream has a gap or facts had no room",
    ],
);

pub(super) fn of(type_: EntryType) -> Claims {
    let (proves, does_not_prove): (&[&str], &[&str]) = match type_ {
        EntryType::Verdict => (
            &[
                "that the operator came to this verdict at the time, on what it had read",
                "which findings came and went since the control's last entry",
            ],
            &[
                "that the facts were true: `evidence explain` judges an item again on the facts that were kept",
                "anything of the time after the control's next heartbeat was due: see the gaps",
            ],
        ),
        EntryType::Heartbeat => (
            &["that the operator still came to the same verdict at the time"],
            &[
                "that nothing changed in between and back: a change that was seen is an entry of its own",
            ],
        ),
        EntryType::ControlChanged => (
            &[
                "that the operator saw this change of the control, and which rule was in force after it",
            ],
            &["who changed it, or that somebody approved the change"],
        ),
        EntryType::Exception => (
            &["that the operator saw this of the exception, and what it allowed"],
            &[
                "that it was approved by a person who may, unless the policies that bind it to its author were in force",
            ],
        ),
        EntryType::Attestation => (
            &[
                "that the record was there when the operator saw it, and in which phase the occurrence was then",
            ],
            &[
                "that what the record says was done, or that the artifacts are what they are called: compare their digests",
            ],
        ),
        EntryType::Campaign => (
            &["that the operator saw this of the access review"],
            &["that the reviewers looked: their decisions are entries of their own"],
        ),
        EntryType::Decision => (
            &["that the operator saw this decision of a reviewer"],
            &["that it was carried out: a revocation is an entry of its own"],
        ),
        EntryType::Revocation => {
            (&["that the operator saw the grant gone"], &["that the person has no other grant"])
        }
        EntryType::Training => {
            (&["that the operator saw this of the lesson"], &["that the person understood it"])
        }
        EntryType::Person => (
            &["that the company's records said so of this pseudonym at the time"],
            &["who it is: only the signing key, or a disclosure, tells"],
        ),
        EntryType::Operator => (
            &["which program wrote what follows, as it says itself"],
            &["that the program is what its version says: compare the digest of the image"],
        ),
        EntryType::Gap => (
            &["that the operator itself says that it could not look in this time"],
            &["that anything passed or failed in this time: it is not known"],
        ),
        EntryType::AuditPeriod => (
            &["that the operator saw this of the audit period, and its dates then"],
            &["that the dates are those that were agreed with the auditor"],
        ),
        EntryType::Namespace => (
            &["which labels the namespace had after it, by which scopes select"],
            &["who changed them"],
        ),
        EntryType::Guard => (
            &["whether this guard of the evidence was in force after it, as the operator saw it"],
            &["that nobody took it away and put it back between two looks"],
        ),
        EntryType::Response => (
            &["that the operator saw this response of management to a deviation"],
            &["that what it promises was done"],
        ),
        EntryType::Inventory => (
            &[
                "what the operator had read of the cluster at the time, list by list, with the resourceVersion of each",
                "of which kinds it may list all objects, and of which it may not",
            ],
            &[
                "that the API server gave all objects and gave them as they are",
                "what came and went between two inventories: see the registers and the populations",
            ],
        ),
        EntryType::Register => REGISTER,
        EntryType::Usage => USAGE,
    };
    Claims { proves, does_not_prove }
}
