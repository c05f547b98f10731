//! `comptroller crds`: the resource definitions as YAML, for `kubectl apply` and for `crds/`.

use serde_json::Value;

use comptroller_core::api::schema;

/// Why a definition could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The generated definition has no name, so no file can be named after it.
    #[error("a generated definition has no {0}; this is a defect of the program")]
    Nameless(&'static str),
    /// YAML could not express it.
    #[error("cannot write {file} as YAML")]
    Yaml {
        /// The file it was for.
        file: String,
        /// Why.
        #[source]
        source: yaml_serde::Error,
    },
}

/// One definition and the file that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrdFile {
    /// The name of the file in the folder, such as `comptroller.dev_controls.yaml`.
    pub name: String,
    /// The YAML, with a newline at the end.
    pub content: String,
}

/// One file for each definition, in the order of their names.
pub fn render_files() -> Result<Vec<CrdFile>, RenderError> {
    schema::documents().iter().map(render_file).collect()
}

/// All definitions as one YAML stream.
pub fn render_stream() -> Result<String, RenderError> {
    let files = render_files()?;
    let documents: Vec<&str> = files.iter().map(|file| file.content.as_str()).collect();
    Ok(format!("---\n{}", documents.join("---\n")))
}

fn render_file(crd: &Value) -> Result<CrdFile, RenderError> {
    let text = |pointer, what| {
        crd.pointer(pointer).and_then(Value::as_str).ok_or(RenderError::Nameless(what))
    };
    let (group, plural) = (text("/spec/group", "group")?, text("/spec/names/plural", "plural")?);
    let name = format!("{group}_{plural}.yaml");
    match yaml_serde::to_string(crd) {
        Ok(content) => Ok(CrdFile { name, content }),
        Err(source) => Err(RenderError::Yaml { file: name, source }),
    }
}
