//! A page as the steps that its reader takes.

use std::fs;

use crate::repository;

/// What a page runs against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    #[default]
    Nothing,
    Cluster,
    Operator,
}

/// A page, in order.
#[derive(Debug, Default)]
pub struct Page {
    pub needs: Needs,
    pub steps: Vec<Step>,
    /// Every block of YAML, with its line, whether or not a step writes it.
    pub yaml: Vec<(usize, String)>,
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The line of the page on which it begins.
    pub line: usize,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Commands that end with this code, and lines that they print in this order.
    Run { script: String, exit: i32, shown: Vec<String> },
    /// A file that the reader writes.
    Write { name: String, text: String },
    /// Commands that can't run here: they are read only.
    Read { script: String },
}

/// What a comment says of the block after it.
#[derive(Debug, Default)]
struct Marks {
    skip: bool,
    exit: i32,
    file: Option<String>,
}

impl Page {
    /// The blocks of a page that is not for this sandbox, all to be read only.
    pub fn unrun(path: &str) -> Vec<Step> {
        let read = |step: Step| match step.action {
            Action::Run { script, .. } => Step { line: step.line, action: Action::Read { script } },
            _ => step,
        };
        Self::read(path).steps.into_iter().map(read).collect()
    }

    pub fn read(path: &str) -> Self {
        let text = fs::read_to_string(repository().join(path)).unwrap();
        Self::parse(path, &text)
    }

    fn parse(path: &str, text: &str) -> Self {
        let mut page = Self::default();
        let mut marks = Marks::default();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let line_number = number + 1;
            let trimmed = line.trim_start();
            let indent = line.len() - trimmed.len();
            if let Some(comment) = trimmed.strip_prefix("<!-- docs: ") {
                let mut comment = comment.to_owned();
                while !comment.contains("-->") {
                    let (_, next) = lines.next().expect("a comment ends");
                    comment = format!("{comment}\n{next}");
                }
                let comment = comment.split("-->").next().unwrap_or_default().trim();
                page.comment(path, line_number, comment, &mut marks);
            } else if let Some(language) = trimmed.strip_prefix("```") {
                let mut body = String::new();
                for (_, line) in lines.by_ref() {
                    if line.trim() == "```" {
                        break;
                    }
                    body += line.get(indent.min(line.len())..).unwrap_or_default();
                    body.push('\n');
                }
                page.block(line_number, language.trim(), &body, std::mem::take(&mut marks));
            }
        }
        page
    }

    fn comment(&mut self, path: &str, line: usize, comment: &str, marks: &mut Marks) {
        let (word, rest) = comment.split_once([' ', '\n']).unwrap_or((comment, ""));
        match word {
            "skip" => {
                assert!(rest.len() > 10, "{path}:{line}: say why the block can't run");
                marks.skip = true;
            }
            "exit" => marks.exit = rest.trim().parse().unwrap(),
            "file" => marks.file = Some(rest.trim().to_owned()),
            "run" => {
                let script = rest.to_owned();
                let action = Action::Run { script, exit: 0, shown: Vec::new() };
                self.steps.push(Step { line, action });
            }
            "needs" => {
                self.needs = match rest.trim() {
                    "cluster" => Needs::Cluster,
                    "operator" => Needs::Operator,
                    other => panic!("{path}:{line}: {other:?} is nothing that a page may need"),
                }
            }
            other => panic!("{path}:{line}: {other:?} is not a mark"),
        }
    }

    fn block(&mut self, line: usize, language: &str, body: &str, marks: Marks) {
        if language == "yaml" {
            self.yaml.push((line, body.to_owned()));
        }
        if marks.skip || is_of_the_repository(body) {
            let script = body.to_owned();
            if matches!(language, "sh" | "bash") {
                self.steps.push(Step { line, action: Action::Read { script } });
            }
            return;
        }
        if let Some(name) = marks.file {
            let action = Action::Write { name, text: body.to_owned() };
            self.steps.push(Step { line, action });
            return;
        }
        let session = body.starts_with("$ ");
        match language {
            "sh" | "bash" if !session => {
                let script = body.to_owned();
                let action = Action::Run { script, exit: marks.exit, shown: Vec::new() };
                self.steps.push(Step { line, action });
            }
            "console" | "" | "sh" | "bash" if session => self.session(line, body, marks.exit),
            _ => {}
        }
    }

    /// A block of prompts: each command with the lines that it prints.
    fn session(&mut self, line: usize, body: &str, exit: i32) {
        let mut commands: Vec<(usize, String, Vec<String>)> = Vec::new();
        let mut continues = false;
        for (offset, text) in body.lines().enumerate() {
            if let Some(command) = text.strip_prefix("$ ") {
                commands.push((line + offset + 1, command.to_owned(), Vec::new()));
            } else if let Some((_, command, shown)) = commands.last_mut() {
                if continues {
                    command.push('\n');
                    command.push_str(text);
                } else {
                    shown.push(text.to_owned());
                    continue;
                }
            }
            continues = text.ends_with('\\');
        }
        let last = commands.len().saturating_sub(1);
        for (number, (line, script, shown)) in commands.into_iter().enumerate() {
            let exit = if number == last { exit } else { 0 };
            self.steps.push(Step { line, action: Action::Run { script, exit, shown } });
        }
    }
}

/// Whether a block only builds and tests this repository, which takes long and is done anyway.
fn is_of_the_repository(script: &str) -> bool {
    let script = script.replace("\\\n", " ");
    let mut commands = script.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    let is_build = |command: &str| {
        let is_variable = |word: &&str| word.contains('=') && !word.starts_with('-');
        let program = command.split_whitespace().find(|word| !is_variable(word));
        program.is_some_and(|program| ["make", "cargo"].contains(&program))
    };
    commands.peek().is_some() && commands.all(is_build)
}

#[test]
fn builds_of_the_repository_are_told_from_what_a_reader_runs() {
    for (script, expected) in [
        ("make test\nCI=true cargo test --test a\n", true),
        ("make image\nskopeo copy a b\n", false),
        ("comptroller scan .\n", false),
        ("", false),
    ] {
        assert_eq!(is_of_the_repository(script), expected, "{script}");
    }
}

#[test]
fn a_page_is_read_as_it_is_written() {
    let text = "
<!-- docs: needs cluster -->
<!-- docs: file a.yaml -->
```yaml
kind: A
```
<!-- docs: run
setup 1
setup 2
-->
- item
  ```sh
  one \\
    two
  ```
<!-- docs: skip it needs a bucket -->
```sh
never
```
<!-- docs: exit 1 -->
```console
$ first \\
    more
out 1
$ second
...
out 2
```
```yaml
ignored: true
```
";
    let page = Page::parse("test.md", text);
    let run = |script: &str, exit, shown: &[&str]| Action::Run {
        script: script.to_owned(),
        exit,
        shown: shown.iter().map(|line| (*line).to_owned()).collect(),
    };
    let actions: Vec<Action> = page.steps.into_iter().map(|step| step.action).collect();
    assert_eq!(page.needs, Needs::Cluster);
    assert_eq!(
        actions,
        [
            Action::Write { name: "a.yaml".to_owned(), text: "kind: A\n".to_owned() },
            run("setup 1\nsetup 2", 0, &[]),
            run("one \\\n  two\n", 0, &[]),
            Action::Read { script: "never\n".to_owned() },
            run("first \\\n    more", 0, &["out 1"]),
            run("second", 1, &["...", "out 2"]),
        ]
    );
}
