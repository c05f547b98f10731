//! Witnesses: others who saw the log and say so, so that its key alone can't make up a past.
//!
//! A witness cosigns a checkpoint only if it continues the one that it cosigned before (C2SP
//! tlog-witness), and says when (tlog-cosignature). Which witnesses are believed, and how many of
//! them, is a policy (tlog-policy). Cosigned checkpoints are kept beside the log ([`kept`]), one for
//! each day: they prove themselves, and an entry about a cosignature would ask for another one.

mod cosignature;
mod kept;
mod outside;
mod policy;
mod quorum;
mod request;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub(crate) use self::kept::COSIGNED;
pub use self::{
    cosignature::{Cosignature, CosignerKey},
    kept::{keep, keep_contradiction, keep_policy, newest},
    outside::{Contradiction, OutsideView, VouchedDay, days},
    policy::{Policy, PolicyError, Witness},
    quorum::{Quorum, QuorumError},
    request::{AddCheckpoint, Answer, Refusal},
};
