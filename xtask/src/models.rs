//! The model folders that go with the page, and the list of them that the page reads first.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::project::Project;
use crate::steps::Done;

/// A model folder from elsewhere, served for one run.
pub struct Given {
    /// Its name in addresses.
    pub name: String,
    /// Where it is.
    pub folder: PathBuf,
}

/// Takes a folder that the user named, after a look at what it holds.
pub fn given(project: &Project, folder: &Path) -> Result<Given> {
    let manifest = folder.join("model.json");
    if !manifest.is_file() {
        bail!(
            "{} is no model folder: it has no model.json (dvn-train writes one at the end of training)",
            folder.display()
        );
    }
    let folder = folder.canonicalize().with_context(|| format!("cannot open {}", folder.display()))?;
    let stem: String = folder
        .file_name()
        .map(|name| name.to_string_lossy().chars().map(|c| if is_plain(c) { c } else { '-' }).collect())
        .unwrap_or_else(|| "model".to_owned());
    let shipped = shipped(project)?;
    let mut name = stem.trim_start_matches('.').to_owned();
    while name.is_empty() || shipped.contains(&name) {
        name.push_str("-given");
    }
    Ok(Given { name, folder })
}

/// The list of models the page reads: the first is opened unless a link says otherwise.
pub fn index(project: &Project, given: Option<&Given>) -> Result<String> {
    let names: Vec<String> =
        given.map(|given| given.name.clone()).into_iter().chain(shipped(project)?).collect();
    Ok(json!({ "models": names }).to_string())
}

/// Copies the shipped models and their list into the built page, which then needs nothing else to be put on any
/// web server.
pub fn publish(project: &Project) -> Result<Done> {
    let out = project.dist().join("models");
    let mut done = Done::Fresh;
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let names = shipped(project)?;
    for stale in folders(&out)?.into_iter().filter(|name| !names.contains(name)) {
        fs::remove_dir_all(out.join(stale))?;
    }
    for name in &names {
        if mirror(&project.models().join(name), &out.join(name))? {
            done = Done::Built;
        }
    }
    fs::write(out.join("index.json"), index(project, None)?)?;
    if names.is_empty() {
        println!("  no model in {}: give one with --model DIR", project.show(&project.models()));
    }
    Ok(done)
}

/// Makes `to` hold exactly the files of `from`; whether it had to change anything. Same length and not older is
/// the same file: the page checks every shard's hash anyway.
fn mirror(from: &Path, to: &Path) -> Result<bool> {
    fs::create_dir_all(to)?;
    let mut changed = false;
    let wanted = files(from)?;
    for stale in files(to)?.into_iter().filter(|name| !wanted.contains(name)) {
        fs::remove_file(to.join(stale))?;
        changed = true;
    }
    for name in wanted {
        let (source, copy) = (from.join(&name), to.join(&name));
        let there = fs::metadata(&source)?;
        let same = fs::metadata(&copy)
            .is_ok_and(|here| here.len() == there.len() && here.modified().ok() >= there.modified().ok());
        if !same {
            fs::copy(&source, &copy).with_context(|| format!("cannot copy {}", source.display()))?;
            changed = true;
        }
    }
    Ok(changed)
}

/// The names of the models in the repository, in order.
pub fn shipped(project: &Project) -> Result<Vec<String>> {
    let root = project.models();
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    Ok(folders(&root)?.into_iter().filter(|name| root.join(name).join("model.json").is_file()).collect())
}

fn folders(folder: &Path) -> Result<Vec<String>> {
    list(folder, Path::is_dir)
}

fn files(folder: &Path) -> Result<Vec<String>> {
    list(folder, Path::is_file)
}

fn list(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && name.chars().all(is_plain) && wanted(&entry.path()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_new_changed_and_removed_files() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir(&from)?;
        fs::write(from.join("model.json"), "{}")?;
        fs::write(from.join("stem-1.safetensors"), "abc")?;
        assert!(mirror(&from, &to)?);
        assert!(!mirror(&from, &to)?);

        fs::write(from.join("model.json"), "{ }")?;
        fs::remove_file(from.join("stem-1.safetensors"))?;
        assert!(mirror(&from, &to)?);
        assert_eq!(files(&to)?, ["model.json"]);
        assert_eq!(fs::read_to_string(to.join("model.json"))?, "{ }");
        Ok(())
    }

    #[test]
    fn lists_only_names_that_are_safe_in_an_address() -> Result<()> {
        let folder = tempfile::tempdir()?;
        for name in ["b-2", "a_1", ".hidden", "with space"] {
            fs::create_dir(folder.path().join(name))?;
        }
        assert_eq!(folders(folder.path())?, ["a_1", "b-2"]);
        Ok(())
    }
}
