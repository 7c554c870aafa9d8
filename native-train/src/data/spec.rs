//! Data-set names: a base name and an optional range of classes.

use std::ops::Range;
use std::path::PathBuf;

use super::DataError;
use super::cifar::Kind;

/// The data sets' names, for messages and help.
pub const KNOWN: &[&str] = &[
    "cifar10",
    "cifar100",
    "cifar100-coarse",
    "tiny-imagenet",
    "stl10",
    "sample-cifar10",
    "sample-cifar100",
    "sample-cifar100-coarse",
    "folder:PATH",
];

/// The size that a user's own images are brought to where the name does not say.
const FOLDER_SIZE: usize = 32;
/// The largest size that they can be brought to: no network here is meant for more.
const FOLDER_MAX_SIZE: usize = 1024;

/// Which data set a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Cifar(Kind),
    Sample(Kind),
    TinyImageNet,
    Stl10,
    Folder { path: PathBuf, size: usize },
}

/// A parsed data-set name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    pub(crate) base: Base,
    /// The classes to keep; all if absent.
    pub(crate) classes: Option<Range<usize>>,
}

impl Spec {
    /// Reads a name such as `cifar100`, `cifar10:0-4` or `folder:birds@64`.
    ///
    /// # Errors
    /// [`DataError::UnknownName`].
    pub fn parse(name: &str) -> Result<Self, DataError> {
        let unknown = || DataError::UnknownName { name: name.into(), known: KNOWN.join(", ") };
        let (rest, classes) = match name.rsplit_once(':').and_then(|(rest, r)| Some((rest, class_range(r)?)))
        {
            Some((rest, range)) => (rest, Some(range)),
            None => (name, None),
        };
        let base = match rest {
            "cifar10" => Base::Cifar(Kind::Cifar10),
            "cifar100" => Base::Cifar(Kind::Cifar100Fine),
            "cifar100-coarse" => Base::Cifar(Kind::Cifar100Coarse),
            "sample-cifar10" => Base::Sample(Kind::Cifar10),
            "sample-cifar100" => Base::Sample(Kind::Cifar100Fine),
            "sample-cifar100-coarse" => Base::Sample(Kind::Cifar100Coarse),
            "tiny-imagenet" => Base::TinyImageNet,
            "stl10" => Base::Stl10,
            _ => rest.strip_prefix("folder:").and_then(folder).ok_or_else(unknown)?,
        };
        Ok(Spec { base, classes })
    }
}

/// `PATH` or `PATH@SIZE`.
fn folder(text: &str) -> Option<Base> {
    let (path, size) = match text.rsplit_once('@').map(|(path, size)| (path, size.parse())) {
        Some((path, Ok(size))) => (path, size),
        _ => (text, FOLDER_SIZE),
    };
    let fits = !path.is_empty() && (1..=FOLDER_MAX_SIZE).contains(&size);
    fits.then(|| Base::Folder { path: path.into(), size })
}

/// `A-B` with A <= B.
fn class_range(text: &str) -> Option<Range<usize>> {
    let (first, last) = text.split_once('-')?;
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first.into()..usize::from(last) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ranges_and_sizes_are_read() {
        let folder = |path: &str, size| Base::Folder { path: path.into(), size };
        for (name, base, classes) in [
            ("cifar10", Base::Cifar(Kind::Cifar10), None),
            ("cifar10:0-4", Base::Cifar(Kind::Cifar10), Some(0..5)),
            ("tiny-imagenet:150-199", Base::TinyImageNet, Some(150..200)),
            ("sample-cifar100:7-7", Base::Sample(Kind::Cifar100Fine), Some(7..8)),
            ("folder:a/b", folder("a/b", 32), None),
            ("folder:a/b@64:1-2", folder("a/b", 64), Some(1..3)),
            ("folder:C:\\x@y", folder("C:\\x@y", 32), None),
        ] {
            assert_eq!(Spec::parse(name).unwrap(), Spec { base, classes }, "{name}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in [
            "",
            "cifar",
            "cifar10:4-0",
            "cifar10:0-99999",
            "cifar10:",
            "folder:",
            "folder:x@0",
            "folder:x@4097",
        ] {
            let error = Spec::parse(name).unwrap_err().to_string();
            assert!(error.contains(&format!("'{name}'")) && error.contains("stl10"), "{error}");
        }
    }
}
