//! The command that answers an occurrence.

use super::shell_word;
use comptroller_core::api::test_spec::{AttestationTest, RequiredPart};

/// The command with which a person attests an occurrence, with the options that its rule requires.
/// None as the rule: it requires nothing that is known.
pub fn attest_command(control: &str, period: &str, rule: Option<&AttestationTest>) -> String {
    let mut line = format!(
        "comptroller attest {} --period {} --summary 'What was done, and the result'",
        shell_word(control),
        shell_word(period),
    );
    for part in rule.map(|rule| rule.requires.as_slice()).unwrap_or_default() {
        line.push_str(match part {
            RequiredPart::Artifact => " --artifact FILE=URI",
            RequiredPart::Version => " --version VERSION",
            RequiredPart::Participants => " --participant PERSON",
        });
    }
    line
}
