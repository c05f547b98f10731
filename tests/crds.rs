//! The files in `crds/` are what the types generate.
use comptroller::cli::crds::render_files;

#[test]
fn committed_definitions_are_the_generated_ones() {
    for file in render_files().unwrap() {
        std::fs::write(format!("crds/{}", file.name), &file.content).unwrap();
    }
}
