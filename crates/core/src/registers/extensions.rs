//! Extensions: what changes how the API server works. Kinds of which no facts are read are in it by
//! their names.

use super::{DerivedItem, Register, Source, nobody};
use crate::inventory::{Inventory, Object};

const ADMISSION: &str = "admissionregistration.k8s.io";

pub static REGISTER: Register = Register {
    name: "extensions",
    sources: &[
        Source { group: "apiextensions.k8s.io", kind: "CustomResourceDefinition", items },
        Source { group: "apiregistration.k8s.io", kind: "APIService", items },
        Source { group: ADMISSION, kind: "ValidatingWebhookConfiguration", items },
        Source { group: ADMISSION, kind: "MutatingWebhookConfiguration", items },
        Source { group: ADMISSION, kind: "ValidatingAdmissionPolicy", items },
        Source { group: ADMISSION, kind: "ValidatingAdmissionPolicyBinding", items },
    ],
    reads: &[],
    concerned: nobody,
};

fn items(_: &Inventory, object: &Object) -> Vec<DerivedItem> {
    let mut item = DerivedItem::of(object);
    item.text("uid", object.uid.as_ref());
    vec![item]
}
