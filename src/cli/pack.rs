//! The built-in pack: the controls of `config/soc2`, which a scan uses when it is given none.

/// Each control's name and text, by name. The file is named after the control.
pub const PACK: &[(&str, &str)] = &[];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use super::PACK;

    #[test]
    fn the_pack_is_what_the_folder_holds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/soc2");
        let files: BTreeMap<String, String> = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter_map(|name| Some((name.strip_suffix(".yaml")?.to_owned(), name)))
            .filter(|(control, _)| control != "kustomization")
            .map(|(control, name)| {
                let text = std::fs::read_to_string(folder.join(name)).expect("readable");
                (control, text)
            })
            .collect();
        let packed: BTreeMap<String, String> =
            PACK.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!(packed.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>());
        assert_eq!(packed, files);
    }
}
