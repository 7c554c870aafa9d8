//! Files that are there whole or not at all.

use atomic_write_file::AtomicWriteFile;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file aside, syncs and renames: whatever happens, `path` holds this content or what it held before.
///
/// # Errors
/// If it cannot be written; what was there is intact then.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = AtomicWriteFile::open(path)?;
    file.write_all(content)?;
    file.commit()
}
