//! `comptroller pack`: the built-in controls, for `kubectl apply -f -` and `scan --controls -`.

use std::{fmt::Write as _, io};

use clap::builder::PossibleValuesParser;
use serde_json::Value;

use super::{PACK, PROFILES, PackProfile, ProfileError, profile::check_combination};
use crate::cli::{output::to_stdout, yaml};

/// The profiles to print the pack with.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  comptroller pack --list
  comptroller pack --for eks,argocd,velero | kubectl apply --server-side -f -
  comptroller pack --for kubeadm,calico | comptroller scan --cluster --controls -

A profile is also a kustomize component: config/soc2/profiles/NAME.")]
pub struct PackArgs {
    /// The distribution and the add-ons of the cluster. What they install is accepted, with the reason in
    /// the control. Name only what runs in the cluster.
    #[arg(
        long = "for",
        value_name = "NAME",
        value_delimiter = ',',
        hide_possible_values = true,
        value_parser = PossibleValuesParser::new(PROFILES.iter().map(|(name, _)| *name))
    )]
    profiles: Vec<String>,
    /// List the profiles, one per line.
    #[arg(long, conflicts_with = "profiles")]
    list: bool,
}

/// Why the pack could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A profile can't be applied.
    #[error(transparent)]
    PackProfile(#[from] ProfileError),
    /// A control of the pack can't be parsed or written as YAML.
    #[error("the built-in control {control} can't be printed: {source}; this is a bug")]
    Yaml {
        control: &'static str,
        /// The error of the YAML library.
        #[source]
        source: yaml_serde::Error,
    },
    /// Standard output can't be written.
    #[error("the pack can't be printed: {0}")]
    Output(#[from] io::Error),
}

/// Prints the pack or the list of profiles.
pub fn run(args: &PackArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let text = if args.list { list()? } else { render(&args.profiles)? };
    to_stdout(|stdout| stdout.write_all(text.as_bytes())).map_err(PackError::Output)?;
    Ok(0)
}

fn list() -> Result<String, PackError> {
    let profiles = PackProfile::all()?;
    let width = profiles.iter().map(|profile| profile.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (heading, distribution) in [("DISTRIBUTIONS", true), ("\nADD-ONS", false)] {
        text.push_str(heading);
        text.push('\n');
        for profile in profiles.iter().filter(|profile| profile.distribution == distribution) {
            let _ = writeln!(text, "  {:width$}  {}", profile.name, profile.title);
        }
    }
    Ok(text)
}

/// The controls as a YAML stream, with the profiles of these names. Without any it is the text of the
/// files, including comments.
///
/// # Errors
/// If there is no such profile, or the profiles can't be combined.
pub fn render(names: &[String]) -> Result<String, PackError> {
    let mut profiles: Vec<PackProfile> = Vec::new();
    for name in names {
        // Applied twice, a profile would add everything twice.
        if profiles.iter().any(|known| known.name == name) {
            continue;
        }
        let found = PackProfile::find(name);
        profiles.push(found.ok_or_else(|| ProfileError::Unknown(name.clone()))??);
    }
    check_combination(&profiles)?;
    let mut text = String::new();
    for (name, control) in PACK {
        text.push_str("---\n");
        if profiles.is_empty() {
            text.push_str(control);
        } else {
            text.push_str(&applied(name, control, &profiles)?);
        }
    }
    Ok(text)
}

fn applied(name: &'static str, text: &str, profiles: &[PackProfile]) -> Result<String, PackError> {
    let unreadable = |source| PackError::Yaml { control: name, source };
    let mut control: Value = yaml_serde::from_str(text).map_err(unreadable)?;
    for profile in profiles {
        profile.apply(name, &mut control)?;
    }
    yaml::to_string(&control).map_err(unreadable)
}
