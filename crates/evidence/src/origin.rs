//! The origin line of a log's checkpoints, which names the cluster that the log is of
//! (C2SP tlog-checkpoint).

const PREFIX: &str = "comptroller.dev/evidence/";

/// The origin of the log of the cluster with this uid.
pub fn of_cluster(uid: &str) -> String {
    format!("{PREFIX}{uid}")
}

/// The uid of the cluster that an origin names: its last part, also where another tool chose the
/// origin.
pub fn cluster(origin: &str) -> &str {
    origin.rsplit('/').next().unwrap_or(origin)
}
