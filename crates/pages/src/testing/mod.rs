//! Sites for tests.
