//! Comptroller keeps a company's SOC 2 controls true on Kubernetes, and proves it.

pub mod checks;
