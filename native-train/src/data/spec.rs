//! Data-set names: a base name and an optional range of classes.

use super::DataError;
use super::cifar::Kind;

/// The data sets' names, for messages and help.
pub const KNOWN: &[&str] = &[
    "cifar10",
    "cifar100",
    "cifar100-coarse",
    "sample-cifar10",
    "sample-cifar100",
    "sample-cifar100-coarse",
];

/// Which data set a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Cifar(Kind),
    Sample(Kind),
}

/// A parsed data-set name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    pub(crate) base: Base,
    /// First and last class to keep, both included; all classes if absent.
    pub(crate) classes: Option<(usize, usize)>,
}

impl Spec {
    /// Reads a name such as `cifar100` or `cifar10:0-4`.
    ///
    /// # Errors
    /// [`DataError::UnknownName`].
    pub fn parse(name: &str) -> Result<Self, DataError> {
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
            _ => return Err(DataError::UnknownName { name: name.into(), known: KNOWN.join(", ") }),
        };
        Ok(Spec { base, classes })
    }
}

/// `A-B` with A <= B.
fn class_range(text: &str) -> Option<(usize, usize)> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}
