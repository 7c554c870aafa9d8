//! What an address of the page stands for: a file, or text made for this run.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::models::{self, Given};
use crate::project::Project;

/// The files of the page, by address.
pub struct Site {
    root: PathBuf,
    /// Folders from elsewhere, by the prefix of their addresses ("/models/mine/").
    mounts: Vec<(String, PathBuf)>,
    /// Texts made for this run, by address.
    texts: HashMap<String, String>,
}

/// What was found at an address.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A file that exists, inside one of the site's folders.
    File(PathBuf),
    /// A text made for this run.
    Text(&'a str),
}

impl Site {
    /// The built page; a given model stands beside the shipped ones, and first in their list.
    pub fn of_page(project: &Project, given: Option<&Given>) -> Result<Self> {
        let mut site = Self::of_folder(&project.dist())?;
        if let Some(given) = given {
            site = site.mount(&format!("/models/{}/", given.name), &given.folder)?;
            site.texts.insert("/models/index.json".to_owned(), models::index(project, Some(given))?);
        }
        Ok(site)
    }

    /// The files of one folder.
    pub fn of_folder(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            bail!("there is no folder {}", folder.display());
        }
        Ok(Self { root: folder.canonicalize()?, mounts: Vec::new(), texts: HashMap::new() })
    }

    /// The same with another folder's files at `prefix` ("/models/mine/").
    pub fn mount(mut self, prefix: &str, folder: &Path) -> Result<Self> {
        let folder =
            folder.canonicalize().with_context(|| format!("there is no folder {}", folder.display()))?;
        self.mounts.push((prefix.to_owned(), folder));
        Ok(self)
    }

    /// Looks an address up. Nothing outside the site's folders is ever found, whatever the address says and
    /// wherever links lead; hidden files are not found either.
    pub fn find(&self, address: &str) -> Option<Found<'_>> {
        let path = decode(address.split(['?', '#']).next()?)?;
        if let Some(text) = self.texts.get(&path) {
            return Some(Found::Text(text));
        }
        let (root, rest) = self
            .mounts
            .iter()
            .find_map(|(prefix, folder)| Some((folder, path.strip_prefix(prefix.as_str())?)))
            .or_else(|| Some((&self.root, path.strip_prefix('/')?)))?;
        let rest = if rest.is_empty() { "index.html" } else { rest };
        if rest.contains(['\\', ':', '\0'])
            || rest.split('/').any(|part| part.is_empty() || part.starts_with('.'))
        {
            return None;
        }
        if Path::new(rest).components().any(|part| !matches!(part, Component::Normal(_))) {
            return None;
        }
        let file = root.join(rest).canonicalize().ok()?;
        (file.starts_with(root) && file.is_file()).then_some(Found::File(file))
    }
}

/// Resolves the percent signs of an address; nothing if they are wrong or hide something that is not UTF-8.
fn decode(address: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(address.len());
    let mut rest = address.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let code = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
            bytes.push(u8::try_from(code).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The media type that a file's name stands for.
pub fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn site() -> Result<(tempfile::TempDir, Site)> {
        let folder = tempfile::tempdir()?;
        fs::create_dir_all(folder.path().join("dist/assets"))?;
        fs::create_dir_all(folder.path().join("mine"))?;
        for file in ["secret.txt", "dist/index.html", "dist/assets/a b.js", "dist/.env", "mine/model.json"] {
            fs::write(folder.path().join(file), file)?;
        }
        let mut site = Site::of_folder(&folder.path().join("dist"))?
            .mount("/models/mine/", &folder.path().join("mine"))?;
        site.texts.insert("/models/index.json".to_owned(), "{}".to_owned());
        Ok((folder, site))
    }

    fn name(site: &Site, address: &str) -> Option<String> {
        match site.find(address)? {
            Found::File(path) => Some(path.file_name()?.to_string_lossy().into_owned()),
            Found::Text(text) => Some(text.to_owned()),
        }
    }

    #[test]
    fn finds_files_mounts_and_texts() -> Result<()> {
        let (_folder, site) = site()?;
        assert_eq!(name(&site, "/").as_deref(), Some("index.html"));
        assert_eq!(name(&site, "/?x=/../..").as_deref(), Some("index.html"));
        assert_eq!(name(&site, "/assets/a%20b.js").as_deref(), Some("a b.js"));
        assert_eq!(name(&site, "/models/mine/model.json").as_deref(), Some("model.json"));
        assert_eq!(name(&site, "/models/index.json").as_deref(), Some("{}"));
        assert_eq!(name(&site, "/missing.js"), None);
        assert_eq!(name(&site, "/assets"), None);
        Ok(())
    }

    #[test]
    fn finds_nothing_outside() -> Result<()> {
        let (folder, site) = site()?;
        let absolute = format!("/{}", folder.path().join("secret.txt").display());
        for address in [
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/assets/../../secret.txt",
            "/assets/..%5c..%5csecret.txt",
            "/models/mine/../../secret.txt",
            "/.env",
            "/%00",
            "/%",
            "/%zz",
            "/%ff",
            "secret.txt",
            "",
            &absolute,
        ] {
            assert_eq!(name(&site, address), None, "{address}");
        }
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn follows_no_link_out() -> Result<()> {
        let (folder, site) = site()?;
        std::os::unix::fs::symlink(folder.path().join("secret.txt"), folder.path().join("dist/link.txt"))?;
        assert_eq!(name(&site, "/link.txt"), None);
        Ok(())
    }
}
