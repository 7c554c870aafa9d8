//! Fetching data sets from their authors: a resumable download, checked by its hash, unpacked aside and then renamed.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use thiserror::Error;

use super::{stl10, tiny_imagenet};

mod digest;
mod download;
#[cfg(test)]
mod tests;
mod unpack;

pub use digest::Digest;
pub(super) use digest::hex;

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archive {
    /// A tar file compressed by gzip.
    TarGz,
    /// A zip file.
    Zip,
}

/// Where a data set comes from, and how to know that it is right.
#[derive(Clone, Debug)]
pub struct Source {
    /// The data set's name.
    pub name: Cow<'static, str>,
    /// The address of the archive.
    pub url: Cow<'static, str>,
    /// The archive's file name in the data folder.
    pub file: Cow<'static, str>,
    /// Its hash, as the authors or those who packaged it published it.
    pub digest: Digest,
    /// How it is packed.
    pub archive: Archive,
    /// The folder that it unpacks to.
    pub folder: Cow<'static, str>,
}

impl Source {
    /// The source of the data set `name`, if it can be fetched.
    pub fn of(name: &str) -> Option<Self> {
        let source = |url, file, digest, archive, folder| {
            let [url, file, folder] = [url, file, folder].map(Cow::Borrowed);
            Some(Source { name: Cow::Owned(name.to_string()), url, file, digest, archive, folder })
        };
        match name {
            "cifar10" => source(
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "cifar-10-binary.tar.gz",
                Digest::sha256("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
                Archive::TarGz,
                super::cifar::CIFAR10_BINARY,
            ),
            "cifar100" | "cifar100-coarse" => source(
                "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
                "cifar-100-binary.tar.gz",
                Digest::sha256("58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"),
                Archive::TarGz,
                super::cifar::CIFAR100_BINARY,
            ),
            "stl10" => source(
                "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
                "stl10_binary.tar.gz",
                Digest::md5("91f7769df0f17e558f3565bffb0c7dfb"),
                Archive::TarGz,
                stl10::FOLDER,
            ),
            "tiny-imagenet" => source(
                "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
                "tiny-imagenet-200.zip",
                Digest::md5("90528d7ca1a48142e341f4ef8d21d0de"),
                Archive::Zip,
                tiny_imagenet::FOLDER,
            ),
            _ => None,
        }
    }

    /// The names that [`Source::of`] knows.
    pub const NAMES: &'static [&'static str] = &["cifar10", "cifar100", "tiny-imagenet", "stl10"];
}

/// What [`fetch`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The unpacked folder was there already; nothing was done.
    AlreadyThere(PathBuf),
    /// The data set now lies in this folder.
    Unpacked(PathBuf),
}

/// Why a data set could not be fetched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The server answered with something else than the file.
    #[error("{url} answers {status}")]
    Status {
        /// The address asked.
        url: String,
        /// The answer's status.
        status: u16,
    },
    /// The connection failed or broke, also when tried again.
    #[error(
        "{url}: {what}; {bytes} bytes lie in {part}, and the same command goes on from there",
        part = part.display()
    )]
    Broken {
        /// The address asked.
        url: String,
        /// What went wrong.
        what: String,
        /// Bytes received so far.
        bytes: u64,
        /// The file that holds them.
        part: PathBuf,
    },
    /// The archive has another hash than it should have.
    #[error("{file} has the {algorithm} {found}, expected {expected}: {advice}", file = file.display())]
    Hash {
        /// The archive.
        file: PathBuf,
        /// The hash function's name.
        algorithm: &'static str,
        /// The hash found, in hexadecimal.
        found: String,
        /// The hash published.
        expected: String,
        /// What was done about it, or is to be done.
        advice: &'static str,
    },
    /// The archive cannot be unpacked, or holds what it must not.
    #[error("{file}: {what}", file = file.display())]
    Archive {
        /// The archive.
        file: PathBuf,
        /// What was found.
        what: String,
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

/// Attaches a path to what the operating system said.
fn io(path: &Path) -> impl Fn(std::io::Error) -> FetchError {
    move |error| FetchError::Io { path: path.into(), error }
}

/// Fetches `source` into the data folder `dir` and unpacks it there. An archive that lies there already, by whatever way
/// it came, is used if its hash is right. `bar` shows the bytes received.
///
/// # Errors
/// [`FetchError`]; after a broken download the next call goes on where it stopped.
pub fn fetch(source: &Source, dir: &Path, bar: &ProgressBar) -> Result<Fetched, FetchError> {
    let folder = dir.join(&*source.folder);
    if folder.exists() {
        return Ok(Fetched::AlreadyThere(folder));
    }
    std::fs::create_dir_all(dir).map_err(io(dir))?;
    let archive = dir.join(&*source.file);
    if archive.exists() {
        check(source, &archive, "remove it to download it anew")?;
    } else {
        let part = dir.join(format!("{}.part", source.file));
        download::download(&source.url, &part, bar)?;
        if let Err(error) = check(source, &part, "it has been removed; try again, or tell who publishes it") {
            std::fs::remove_file(&part).map_err(io(&part))?;
            return Err(error);
        }
        std::fs::rename(&part, &archive).map_err(io(&archive))?;
    }
    unpack::unpack(source, &archive, dir)?;
    // Its content lies unpacked beside it now.
    std::fs::remove_file(&archive).map_err(io(&archive))?;
    Ok(Fetched::Unpacked(folder))
}

fn check(source: &Source, file: &Path, advice: &'static str) -> Result<(), FetchError> {
    let found = source.digest.of_file(file).map_err(io(file))?;
    if found == source.digest.hex() {
        return Ok(());
    }
    Err(FetchError::Hash {
        file: file.into(),
        algorithm: source.digest.algorithm(),
        found,
        expected: source.digest.hex().into(),
        advice,
    })
}
