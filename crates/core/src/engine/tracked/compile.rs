//! From a control's spec to what judges it.

use std::sync::Arc;

use crate::{
    api::ControlSpec,
    checks::{self, BuildError, Check, Dependency, scope::ScopeFilter},
    engine::verdict::Reason,
    inventory::{Program, ProgramId},
};

/// What a control needs to be evaluated; or why its spec can't be evaluated, for its verdict.
#[derive(Debug)]
pub(super) enum CompiledTest {
    Ready { check: Box<dyn Check>, scope: ScopeFilter, reads: Vec<Dependency> },
    Broken { reason: Reason, message: String },
}

/// A test with the program that has to run while objects are projected, if it needs one.
type Compiled = (CompiledTest, Option<(ProgramId, Arc<Program>)>);

/// Compiles a spec. One that no API server has seen may have any mistake.
pub(super) fn compile(spec: &ControlSpec) -> Compiled {
    let broken = |reason, message| (CompiledTest::Broken { reason, message }, None);
    if let Err(invalid) = spec.validate() {
        return broken(Reason::InvalidSpec, invalid.to_string());
    }
    let scope = match ScopeFilter::compile(spec.scope.as_ref()) {
        Ok(scope) => scope,
        Err(error) => {
            return broken(Reason::InvalidSpec, format!("spec.scope.namespaces: {error}"));
        }
    };
    match checks::build(&spec.test) {
        Ok(built) => {
            let mut reads = built.check.reads();
            // Without the namespaces a selector would match none, and the control would pass.
            if scope.selects() {
                reads.push(Dependency::required("", "Namespace"));
            }
            (CompiledTest::Ready { check: built.check, scope, reads }, built.program)
        }
        Err(BuildError::Invalid(message)) => broken(Reason::InvalidSpec, message),
        Err(BuildError::Unsupported(message)) => broken(Reason::UnsupportedExpression, message),
    }
}
