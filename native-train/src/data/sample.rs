//! The sample that lies in the repository: a few thousand images of both CIFAR sets, so that a fresh clone can train and
//! test something real without a download. `native-train/sample/README.md` says how it was chosen.

use super::{DataError, Dataset, Images, Split, cifar, sheet};

pub mod make;

/// Images across a sheet.
pub(crate) const COLUMNS: usize = 50;

/// One embedded split: a sheet of images and its label bytes.
struct Part {
    file: &'static str,
    sheet: &'static [u8],
    labels: &'static [u8],
}

macro_rules! part {
    ($images:literal, $labels:literal) => {
        Part {
            file: concat!("sample/", $images, ".webp"),
            sheet: include_bytes!(concat!("../../sample/", $images, ".webp")),
            labels: include_bytes!(concat!("../../sample/", $labels, ".labels")),
        }
    };
}

/// Decodes one split of the sample of `kind`.
pub(crate) fn load(kind: cifar::Kind, split: Split) -> Result<Dataset, DataError> {
    use cifar::Kind::{Cifar10, Cifar100Coarse, Cifar100Fine};
    let part = match (kind, split) {
        (Cifar10, Split::Train) => part!("cifar10-train", "cifar10-train"),
        (Cifar10, Split::Test) => part!("cifar10-test", "cifar10-test"),
        (Cifar100Fine, Split::Train) => part!("cifar100-train", "cifar100-train-fine"),
        (Cifar100Fine, Split::Test) => part!("cifar100-test", "cifar100-test-fine"),
        (Cifar100Coarse, Split::Train) => part!("cifar100-train", "cifar100-train-coarse"),
        (Cifar100Coarse, Split::Test) => part!("cifar100-test", "cifar100-test-coarse"),
    };
    let names = match kind {
        Cifar10 => include_str!("../../sample/cifar10.names"),
        Cifar100Fine => include_str!("../../sample/cifar100-fine.names"),
        Cifar100Coarse => include_str!("../../sample/cifar100-coarse.names"),
    };
    let wrong = |what: String| DataError::Content { path: part.file.into(), what };
    let pixels = sheet::decode(part.sheet, cifar::SIZE, COLUMNS, part.labels.len()).map_err(wrong)?;
    let classes: Vec<String> = names.lines().map(String::from).collect();
    if let Some(&label) = part.labels.iter().find(|&&l| usize::from(l) >= classes.len()) {
        return Err(wrong(format!("label {label}, but {} classes", classes.len())));
    }
    Ok(Dataset {
        name: String::new(),
        classes,
        size: cifar::SIZE,
        images: Images::new(cifar::SIZE, pixels),
        labels: part.labels.iter().map(|&l| l.into()).collect(),
    })
}

#[cfg(test)]
mod tests;
