//! A proxy between the operator and the API server that does to requests what networks, load
//! balancers and API servers in trouble do.
//!
//! ```no_run
//! let proxy = Proxy::before(&plane, "admin", 7);
//! // The operator runs with `proxy.kubeconfig()`.
//! proxy.set([on().verb(Verb::Watch).of("clusterrolebindings").then(Action::Hang)]);
//! proxy.stall(&on().verb(Verb::Watch)); // what is open is half-open from now on
//! proxy.heal(); // new requests pass; what hangs goes on hanging, as it does in a network
//! ```
//!
//! It speaks plain HTTP to the operator and is to the API server whom it was told to be. It lives on
//! a thread of its own, so that a test may block.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

mod call;
mod exchange;
mod proxy;
mod replies;
mod rule;
mod stream;
mod traffic;

pub use call::{Call, Verb};
pub use proxy::Proxy;
pub use rule::{Action, Matcher, Moment, Refusal, Rule, on};
pub use traffic::{Line, Traffic};
