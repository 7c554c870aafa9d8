//! Hashes of archives.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use md5::Md5;
use sha2::Sha256;

/// An archive's published hash, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256.
    Sha256(Cow<'static, str>),
    /// MD5, where its authors publish nothing better: it finds accidents, not attacks.
    Md5(Cow<'static, str>),
}

impl Digest {
    pub(super) const fn sha256(hex: &'static str) -> Self {
        Digest::Sha256(Cow::Borrowed(hex))
    }

    pub(super) const fn md5(hex: &'static str) -> Self {
        Digest::Md5(Cow::Borrowed(hex))
    }

    /// The hash function's name.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Digest::Sha256(_) => "SHA-256",
            Digest::Md5(_) => "MD5",
        }
    }

    /// The hash in hexadecimal.
    pub fn hex(&self) -> &str {
        match self {
            Digest::Sha256(hex) | Digest::Md5(hex) => hex,
        }
    }

    /// The hash of a file by the same function, in hexadecimal.
    pub(super) fn of_file(&self, path: &Path) -> io::Result<String> {
        match self {
            Digest::Sha256(_) => hash::<Sha256>(path),
            Digest::Md5(_) => hash::<Md5>(path),
        }
    }
}

fn hash<H: sha2::Digest>(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = H::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hasher.update(&buffer[..n]),
        }
    }
    Ok(hex(&hasher.finalize()))
}

/// Lower-case hexadecimal.
pub(in crate::data) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        // FIPS 180-4's and RFC 1321's own examples.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::sha256("").of_file(&path).unwrap(), expected);
        assert_eq!(Digest::md5("").of_file(&path).unwrap(), "900150983cd24fb0d6963f7d28e17f72");
    }
}
