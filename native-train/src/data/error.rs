//! What can be wrong with a data set.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Why a data set could not be read, fetched or written. Every variant about a file names it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// No data set has this name.
    #[error("no data set is called '{name}'; known are {known}, each also with a class range such as ':0-4'")]
    UnknownName {
        /// The name given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The class range is not within the data set's classes.
    #[error("classes {first}-{last} are asked for, the data set has {classes}, numbered from 0")]
    ClassRange {
        /// The first class asked for.
        first: usize,
        /// The last class asked for.
        last: usize,
        /// How many classes the data set has.
        classes: usize,
    },
    /// A file or folder is not there.
    #[error("{path} is missing: expected {expected}{hint}", path = path.display())]
    Missing {
        /// What is missing.
        path: PathBuf,
        /// What it should have been.
        expected: String,
        /// How to get it.
        hint: Hint,
    },
    /// A file has another length than its format fixes.
    #[error("{path} holds {found} bytes, expected {expected}: it is damaged or cut short{hint}", path = path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The right length in bytes.
        expected: u64,
        /// How to get it again.
        hint: Hint,
    },
    /// A label names no class.
    #[error("{path}: image {image} has label {found}, expected 0 to {}{hint}", classes - 1, path = path.display())]
    Label {
        /// The file.
        path: PathBuf,
        /// Which image of the file, from 0.
        image: usize,
        /// The label found.
        found: i64,
        /// How many classes there are.
        classes: usize,
        /// How to get it again.
        hint: Hint,
    },
    /// The file's content is not what its format asks for.
    #[error("{path}: {what}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        what: String,
    },
    /// A folder, or the split of a data set, holds no images.
    #[error("{path} holds no images: {expected}", path = path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
        /// What it should have held.
        expected: String,
    },
    /// A batch that several processes cannot share evenly.
    #[error("batches of {batch} images cannot be shared evenly by {parts} processes")]
    Part {
        /// Images of a task in a step.
        batch: usize,
        /// Processes.
        parts: usize,
    },
    /// Several files are bad.
    #[error("{first} (and {more} more files cannot be read)")]
    Several {
        /// The first of them.
        first: Box<DataError>,
        /// How many others there are.
        more: usize,
    },
    /// The operating system refused.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
}

/// The command that fetches a data set, where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint(pub Option<String>);

impl Hint {
    /// The hint for a set that `dvn-train data fetch` knows.
    pub(crate) fn fetch(name: &str, dir: &std::path::Path) -> Self {
        Hint(Some(format!("dvn-train data fetch {name} --data {}", dir.display())))
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(command) => write!(f, " (to get it: {command})"),
            None => Ok(()),
        }
    }
}

/// Reads all of a file that must hold exactly `expected` bytes; the length is checked before anything is allocated.
pub(crate) fn read_exact_file(
    path: &std::path::Path,
    expected: u64,
    what: &str,
    hint: &Hint,
) -> Result<Vec<u8>, DataError> {
    let found = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(DataError::Missing {
                path: path.into(),
                expected: format!("{what}, {expected} bytes"),
                hint: hint.clone(),
            });
        }
        Err(error) => return Err(DataError::Io { path: path.into(), error }),
    };
    if found != expected {
        return Err(DataError::Length { path: path.into(), found, expected, hint: hint.clone() });
    }
    std::fs::read(path).map_err(|error| DataError::Io { path: path.into(), error })
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_limited(
    path: &std::path::Path,
    limit: u64,
    what: &str,
    hint: &Hint,
) -> Result<Vec<u8>, DataError> {
    use std::io::Read;
    let io = |error| DataError::Io { path: path.into(), error };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(DataError::Missing { path: path.into(), expected: what.into(), hint: hint.clone() });
        }
        Err(e) => return Err(io(e)),
    };
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(io)?;
    if content.len() as u64 > limit {
        return Err(DataError::Content {
            path: path.into(),
            what: format!("more than {limit} bytes, too long for {what}"),
        });
    }
    Ok(content)
}

/// Reads a text file of at most `limit` bytes.
pub(crate) fn read_text(path: &std::path::Path, limit: u64, hint: &Hint) -> Result<String, DataError> {
    let content = read_limited(path, limit, "a text file", hint)?;
    String::from_utf8(content)
        .map_err(|_| DataError::Content { path: path.into(), what: "expected text in UTF-8".into() })
}
