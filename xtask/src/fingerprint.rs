//! Marks of finished work: a step is skipped while its inputs are what they were.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A fingerprint of files (and folders, all the way down): their names and contents. Missing ones count as such.
pub fn of(paths: &[PathBuf]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        add(path, &mut hasher)?;
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn add(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    path.file_name().hash(hasher);
    if path.is_dir() {
        let mut entries = fs::read_dir(path)
            .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
            .with_context(|| format!("cannot list {}", path.display()))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        entries.len().hash(hasher);
        for entry in entries {
            add(&entry.path(), hasher)?;
        }
    } else if path.exists() {
        fs::read(path).with_context(|| format!("cannot read {}", path.display()))?.hash(hasher);
    } else {
        u8::MAX.hash(hasher);
    }
    Ok(())
}

/// A file that remembers the fingerprint a step was last finished with.
pub struct Stamp(PathBuf);

impl Stamp {
    /// The stamp kept at `path`.
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Whether the step was last finished with `key`.
    pub fn holds(&self, key: &str) -> bool {
        fs::read_to_string(&self.0).is_ok_and(|found| found == key)
    }

    /// Forgets the last finish: what follows may leave half a result.
    pub fn clear(&self) {
        let _ = fs::remove_file(&self.0);
    }

    /// Remembers that the step was finished with `key`.
    pub fn set(&self, key: &str) -> Result<()> {
        if let Some(folder) = self.0.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&self.0, key).with_context(|| format!("cannot write {}", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_a_changed_a_new_and_a_renamed_file() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let paths = [folder.path().to_path_buf()];
        fs::create_dir(folder.path().join("deep"))?;
        fs::write(folder.path().join("deep/a.ts"), "1")?;
        let first = of(&paths)?;
        assert_eq!(first, of(&paths)?);

        fs::write(folder.path().join("deep/a.ts"), "2")?;
        let changed = of(&paths)?;
        assert_ne!(first, changed);

        fs::rename(folder.path().join("deep/a.ts"), folder.path().join("deep/b.ts"))?;
        let renamed = of(&paths)?;
        assert_ne!(changed, renamed);

        fs::write(folder.path().join("deep/c.ts"), "")?;
        assert_ne!(renamed, of(&paths)?);
        Ok(())
    }

    #[test]
    fn a_stamp_holds_only_what_was_set() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let stamp = Stamp::at(folder.path().join("new/step.stamp"));
        assert!(!stamp.holds("a"));
        stamp.set("a")?;
        assert!(stamp.holds("a") && !stamp.holds("b"));
        stamp.clear();
        assert!(!stamp.holds("a"));
        Ok(())
    }
}
