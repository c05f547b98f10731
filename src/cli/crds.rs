//! `comptroller crds`: the CustomResourceDefinitions as YAML, for `kubectl apply` and for `crds/`, and as
//! JSON Schemas for editors.

pub mod json_schema;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{output::to_stdout, yaml};
use comptroller_core::api::schema;

/// How to write the definitions, and where.
#[derive(Debug, clap::Args)]
pub struct CrdsArgs {
    /// What to write.
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: CrdFormat,
    /// Write one file for each definition into this folder, instead of printing them.
    #[arg(long, value_name = "DIR", required_if_eq("output", "json-schema"))]
    dir: Option<PathBuf>,
}

/// What the definitions are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum CrdFormat {
    /// CustomResourceDefinitions, for kubectl apply.
    Yaml,
    /// JSON Schemas, for editors and kubeconform: `KIND_VERSION.json`, and `all.json` with every kind.
    JsonSchema,
}

/// Why the definitions could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A generated definition has no name, so no file can be named after it.
    #[error("a generated definition has no {0}; this is a bug")]
    Nameless(&'static str),
    /// A definition can't be expressed in YAML.
    #[error("{file} can't be written as YAML: {source}; this is a bug")]
    Yaml {
        /// The name of its file.
        file: String,
        /// The error of the serializer.
        #[source]
        source: yaml_serde::Error,
    },
    /// A schema can't be expressed in JSON.
    #[error("{file} can't be written as JSON: {source}; this is a bug")]
    Json {
        /// The name of its file.
        file: String,
        /// The error of the serializer.
        #[source]
        source: serde_json::Error,
    },
    /// A file or folder can't be written.
    #[error("{} can't be written: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// Standard output can't be written.
    #[error("the definitions can't be printed: {0}")]
    Print(#[from] io::Error),
}

/// A definition and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrdFile {
    /// The name of the file in the folder, such as `comptroller.dev_controls.yaml`.
    pub name: String,
    /// The YAML or JSON, with a newline at the end.
    pub content: String,
}

/// Prints the definitions, or writes them to files.
///
/// # Errors
/// See [`RenderError`].
pub fn run(args: &CrdsArgs) -> Result<u8, Box<dyn std::error::Error>> {
    if let Some(dir) = &args.dir {
        let files = match args.output {
            CrdFormat::Yaml => render_files()?,
            CrdFormat::JsonSchema => render_schemas()?,
        };
        write_files(dir, &files)?;
    } else {
        let text = render_stream()?;
        to_stdout(|stdout| stdout.write_all(text.as_bytes())).map_err(RenderError::Print)?;
    }
    Ok(0)
}

fn write_files(dir: &Path, files: &[CrdFile]) -> Result<(), RenderError> {
    let failed = |path: &Path, source| RenderError::Write { path: path.to_owned(), source };
    fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    for file in files {
        let path = dir.join(&file.name);
        fs::write(&path, &file.content).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// One file for each definition, in the order of their names.
pub fn render_files() -> Result<Vec<CrdFile>, RenderError> {
    schema::documents().iter().map(render_file).collect()
}

/// A JSON Schema for each definition, and one of all of them.
pub fn render_schemas() -> Result<Vec<CrdFile>, RenderError> {
    let render = |file: json_schema::SchemaFile| match serde_json::to_string_pretty(&file.schema) {
        Ok(text) => Ok(CrdFile { name: file.name, content: text + "\n" }),
        Err(source) => Err(RenderError::Json { file: file.name, source }),
    };
    json_schema::schemas(schema::documents()).into_iter().map(render).collect()
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
    match yaml::to_string(crd) {
        Ok(content) => Ok(CrdFile { name, content }),
        Err(source) => Err(RenderError::Yaml { file: name, source }),
    }
}
