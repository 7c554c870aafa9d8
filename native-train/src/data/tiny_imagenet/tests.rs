use super::*;
use image::{GrayImage, Luma, Rgb, RgbImage};

const IDS: [&str; 3] = ["n03", "n01", "n02"];

fn jpeg(path: &Path, side: u32, grey: u8) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(side, side, Rgb([grey; 3]))
        .save_with_format(path, image::ImageFormat::Jpeg)
        .unwrap();
}

/// Three classes, two training images and one validation image each, coloured by their class.
fn example() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(FOLDER);
    for (class, id) in IDS.iter().enumerate() {
        for k in [0, 1] {
            jpeg(&root.join(format!("train/{id}/images/{id}_{k}.JPEG")), 64, 50 * class as u8 + 10 * k);
        }
        std::fs::write(root.join(format!("train/{id}/{id}_boxes.txt")), "0 0 1 1").unwrap();
        jpeg(&root.join(format!("val/images/val_{class}.JPEG")), 64, 50 * class as u8);
    }
    std::fs::write(root.join("wnids.txt"), "n03\nn01\nn02\n").unwrap();
    std::fs::write(root.join("words.txt"), "n01\tcrane, bird\nn02\tcrane\nn03\tlemon, fruit\nn04\tx\n")
        .unwrap();
    let list = "val_2.JPEG\tn02\t0\t1\t2\t3\nval_0.JPEG\tn03\t0\t1\t2\t3\nval_1.JPEG\tn01\t0\t0\t1\t1\n";
    std::fs::write(root.join("val/val_annotations.txt"), list).unwrap();
    (dir, root)
}

/// JPEG's own error is within 2.
fn assert_greys(set: &Dataset, expected: &[u8]) {
    let found: Vec<u8> = (0..set.len()).map(|i| set.images.get(i)[0]).collect();
    assert!(found.len() == expected.len(), "{found:?}");
    assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 2), "{found:?} is not {expected:?}");
}

#[test]
fn classes_are_numbered_as_listed_and_the_validation_images_are_the_test_split() {
    let (dir, _) = example();
    let train = load(Split::Train, dir.path(), None).unwrap();
    assert_eq!(train.classes, ["lemon", "crane (n01)", "crane (n02)"]);
    assert_eq!((train.labels.as_slice(), train.size), (&[0, 0, 1, 1, 2, 2][..], 64));
    assert_greys(&train, &[0, 10, 50, 60, 100, 110]);
    let test = load(Split::Test, dir.path(), None).unwrap();
    assert_eq!(test.labels, [2, 0, 1]);
    assert_greys(&test, &[100, 0, 50]);
    let part = load(Split::Test, dir.path(), Some(1..3)).unwrap();
    assert_eq!((part.labels, part.classes.len()), (vec![2, 1], 3));
}

#[test]
fn validation_images_sorted_into_folders_are_read_too() {
    for images in ["", "images"] {
        let (dir, root) = example();
        std::fs::remove_dir_all(root.join("val")).unwrap();
        for (class, id) in IDS.iter().enumerate() {
            jpeg(&root.join("val").join(id).join(images).join("x.JPEG"), 64, 50 * class as u8);
        }
        let test = load(Split::Test, dir.path(), None).unwrap();
        assert_eq!(test.labels, [0, 1, 2]);
        assert_greys(&test, &[0, 50, 100]);
    }
}

#[test]
fn grey_jpegs_become_rgb() {
    let (dir, root) = example();
    let grey = GrayImage::from_pixel(64, 64, Luma([200]));
    grey.save_with_format(root.join("train/n01/images/n01_0.JPEG"), image::ImageFormat::Jpeg).unwrap();
    assert_greys(&load(Split::Train, dir.path(), None).unwrap(), &[0, 10, 200, 60, 100, 110]);
}

#[test]
fn what_is_missing_or_wrong_is_told_with_its_file() {
    type Harm = fn(&Path);
    let cases: [(Harm, Split, &[&str]); 6] = [
        (
            |r| std::fs::remove_file(r.join("wnids.txt")).unwrap(),
            Split::Train,
            &["wnids.txt", "data fetch tiny-imagenet"],
        ),
        (
            |r| std::fs::write(r.join("wnids.txt"), "n01\n../n02\n").unwrap(),
            Split::Train,
            &["wnids.txt", "'../n02'"],
        ),
        (|r| std::fs::remove_dir_all(r.join("train/n02")).unwrap(), Split::Train, &["n02", "missing"]),
        (|r| jpeg(&r.join("train/n02/images/n02_1.JPEG"), 63, 1), Split::Train, &["n02_1.JPEG", "63 x 63"]),
        (|r| std::fs::remove_file(r.join("val/images/val_1.JPEG")).unwrap(), Split::Test, &["val_1.JPEG"]),
        (
            |r| std::fs::write(r.join("val/val_annotations.txt"), "val_2.JPEG\tn02\n../../x\tn01\n").unwrap(),
            Split::Test,
            &["val_annotations.txt", "line 2"],
        ),
    ];
    for (harm, split, expected) in cases {
        let (dir, root) = example();
        harm(&root);
        let error = load(split, dir.path(), None).unwrap_err().to_string();
        assert!(expected.iter().all(|e| error.contains(e)), "{error}");
    }
}
