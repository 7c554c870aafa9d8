//! Unpacking an archive: aside first, then the folder is renamed into place, so that it is whole wherever it is seen.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;

use super::{Archive, FetchError, Source, io};

/// The most bytes that an archive may unpack to: STL-10, the largest here, has 2.9 GB.
const MAX_BYTES: u64 = 8 << 30;
/// The most files and folders in an archive: Tiny-ImageNet has 120,609.
const MAX_ENTRIES: usize = 1_000_000;

/// Unpacks `archive` and moves its folder into `dir`.
pub(super) fn unpack(source: &Source, archive: &Path, dir: &Path) -> Result<(), FetchError> {
    let aside = dir.join(format!("{}.unpacking", source.file));
    if aside.exists() {
        std::fs::remove_dir_all(&aside).map_err(io(&aside))?;
    }
    std::fs::create_dir(&aside).map_err(io(&aside))?;
    let result = unpack_aside(source, archive, &aside, dir);
    let cleared = std::fs::remove_dir_all(&aside).map_err(io(&aside));
    result.and(cleared)
}

fn unpack_aside(source: &Source, archive: &Path, aside: &Path, dir: &Path) -> Result<(), FetchError> {
    let file = BufReader::new(File::open(archive).map_err(io(archive))?);
    let mut target = Target { archive, folder: aside, bytes: 0, entries: 0 };
    match source.archive {
        Archive::TarGz => target.tar(GzDecoder::new(file))?,
        Archive::Zip => target.zip(file)?,
    }
    let unpacked = aside.join(&*source.folder);
    if !unpacked.is_dir() {
        return Err(target.wrong(format!("the archive has no folder '{}'", source.folder)));
    }
    let place = dir.join(&*source.folder);
    std::fs::rename(&unpacked, &place).map_err(io(&place))
}

/// Where an archive is unpacked, and how much it has held so far.
struct Target<'a> {
    archive: &'a Path,
    folder: &'a Path,
    bytes: u64,
    entries: usize,
}

impl Target<'_> {
    fn wrong(&self, what: impl ToString) -> FetchError {
        FetchError::Archive { file: self.archive.into(), what: what.to_string() }
    }

    fn tar(&mut self, packed: impl Read) -> Result<(), FetchError> {
        let mut tar = tar::Archive::new(packed);
        for entry in tar.entries().map_err(|e| self.wrong(e))? {
            let entry = entry.map_err(|e| self.wrong(e))?;
            let path = entry.path().map_err(|e| self.wrong(e))?.into_owned();
            match entry.header().entry_type() {
                tar::EntryType::Directory => self.directory(&path)?,
                tar::EntryType::Regular | tar::EntryType::Continuous => self.file(&path, entry)?,
                // Remarks on the archive as a whole.
                tar::EntryType::XGlobalHeader => {}
                other => {
                    return Err(
                        self.wrong(format!("'{}' is neither file nor folder ({other:?})", path.display()))
                    );
                }
            }
        }
        Ok(())
    }

    fn zip(&mut self, packed: BufReader<File>) -> Result<(), FetchError> {
        let mut zip = zip::ZipArchive::new(packed).map_err(|e| self.wrong(e))?;
        for index in 0..zip.len() {
            let entry = zip.by_index(index).map_err(|e| self.wrong(e))?;
            let path = PathBuf::from(entry.name().map_err(|e| self.wrong(e))?.into_owned());
            if entry.is_symlink() {
                return Err(self.wrong(format!("'{}' is a link", path.display())));
            }
            if entry.is_dir() { self.directory(&path)? } else { self.file(&path, entry)? }
        }
        Ok(())
    }

    /// The place of an entry, if it is inside the folder.
    fn place(&mut self, path: &Path) -> Result<PathBuf, FetchError> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(self.wrong(format!("more than {MAX_ENTRIES} files and folders")));
        }
        let inside = |c: Component| matches!(c, Component::Normal(_) | Component::CurDir);
        // A backslash parts paths on some systems, and is in no name that these archives hold.
        let text = path.to_string_lossy();
        if !path.components().all(inside) || text.contains(['\\', '\0']) {
            return Err(self.wrong(format!("'{}' would lie outside its folder", path.display())));
        }
        Ok(self.folder.join(path))
    }

    fn directory(&mut self, path: &Path) -> Result<(), FetchError> {
        let place = self.place(path)?;
        std::fs::create_dir_all(&place).map_err(io(&place))
    }

    fn file(&mut self, path: &Path, content: impl Read) -> Result<(), FetchError> {
        let place = self.place(path)?;
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent).map_err(io(parent))?;
        }
        let mut file = File::create(&place).map_err(io(&place))?;
        let left = MAX_BYTES - self.bytes;
        let copied = std::io::copy(&mut content.take(left + 1), &mut file)
            .map_err(|e| self.wrong(format!("'{}': {e}", path.display())))?;
        if copied > left {
            return Err(self.wrong(format!("more than {MAX_BYTES} bytes unpacked")));
        }
        self.bytes += copied;
        Ok(())
    }
}
