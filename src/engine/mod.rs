//! What a change marks, memory of outcomes, scope, exceptions: verdicts, and when time will next change them. Pure.

pub mod scope;
