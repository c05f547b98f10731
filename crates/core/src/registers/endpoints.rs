//! Endpoints: what is reached from outside, by which hosts, and whether by TLS.

use super::{DerivedItem, Register, Source, known, nobody, qualified};
use crate::inventory::{
    Facts, Inventory, Object,
    network::{GATEWAY_API, ListenerCertificate, NetworkFacts},
};

pub static REGISTER: Register = Register {
    name: "endpoints",
    sources: &[
        Source { group: "networking.k8s.io", kind: "Ingress", items },
        Source { group: GATEWAY_API, kind: "Gateway", items },
        Source { group: GATEWAY_API, kind: "HTTPRoute", items },
    ],
    reads: &[],
    concerned: nobody,
};

fn items(_: &Inventory, object: &Object) -> Vec<DerivedItem> {
    let Facts::Network(facts) = &object.facts else { return Vec::new() };
    match &**facts {
        NetworkFacts::Ingress(facts) => {
            let mut item = DerivedItem::of(object);
            // A rule without a host is for every host.
            let hosts = facts.hosts.iter();
            item.texts("hosts", hosts.map(|it| it.as_ref().map_or("*", |it| it).to_owned()));
            let tls = facts.tls.iter().flat_map(|tls| tls.hosts.iter());
            item.texts("tlsHosts", tls.map(ToString::to_string));
            item.set("tls", !facts.tls.is_empty());
            item.text("class", facts.class.as_ref().and_then(|class| known(Some(class.name()))));
            vec![item]
        }
        NetworkFacts::Gateway(facts) => facts
            .listeners
            .iter()
            .map(|listener| {
                let mut item = DerivedItem::new(format!("{}/{}", qualified(object), listener.name));
                item.set("namespace", object.namespace.as_str());
                item.set("name", object.name.as_str());
                item.set("listener", listener.name.as_str());
                item.set("protocol", listener.protocol.as_str());
                item.set("port", listener.port);
                item.texts("hosts", listener.hostname.iter().map(ToString::to_string));
                item.set("tls", listener.passthrough || is_certified(listener.certificate));
                item
            })
            .collect(),
        NetworkFacts::Route(facts) => {
            let mut item = DerivedItem::of(object);
            item.texts("hosts", facts.hostnames.iter().map(ToString::to_string));
            let parents = facts.parents.iter();
            item.texts(
                "parents",
                parents
                    .map(|parent| format!("{}/{}/{}", parent.kind, parent.namespace, parent.name)),
            );
            vec![item]
        }
        _ => Vec::new(),
    }
}

fn is_certified(certificate: ListenerCertificate) -> bool {
    certificate != ListenerCertificate::None
}
