use super::*;
use image::{DynamicImage, Rgb, RgbImage};

fn save(path: &Path, image: impl Into<DynamicImage>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.into().save(path).unwrap();
}

/// A picture of one colour.
fn plain(side: u32, grey: u8) -> RgbImage {
    RgbImage::from_pixel(side, side, Rgb([grey, 0, 255 - grey]))
}

#[test]
fn given_splits_are_kept_and_pictures_are_resized() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    save(&at("train/dog/2.png"), plain(8, 2));
    save(&at("train/dog/10.PNG"), plain(40, 10));
    save(&at("train/cat/a.bmp"), plain(9, 50));
    save(&at("test/cat/b.webp"), plain(9, 60));
    std::fs::write(at("train/cat/notes.txt"), "no image").unwrap();
    std::fs::write(at("train/cat/.hidden.png"), "no image").unwrap();
    let train = load(dir.path(), 8, Split::Train, None).unwrap();
    assert_eq!(train.classes, ["cat", "dog"]);
    assert_eq!(train.labels, [0, 1, 1]);
    let first: Vec<&[u8]> = (0..3).map(|i| &train.images.get(i)[..3]).collect();
    assert_eq!(first, [[50, 0, 205], [2, 0, 253], [10, 0, 245]]);
    let test = load(dir.path(), 8, Split::Test, None).unwrap();
    assert_eq!((test.labels, test.classes), (vec![0], train.classes));
    // A class range reads the images of its classes only.
    let dogs = load(dir.path(), 8, Split::Train, Some(1..2)).unwrap();
    assert_eq!(dogs.labels, [1, 1]);
    let error = load(dir.path(), 8, Split::Train, Some(2..4)).unwrap_err().to_string();
    assert!(error.contains("classes 2-3 are asked for, the data set has 2"), "{error}");

    save(&at("test/bird/c.png"), plain(9, 60));
    let error = load(dir.path(), 8, Split::Test, None).unwrap_err().to_string();
    assert!(error.contains("'bird' is not among the training images"), "{error}");
    std::fs::remove_dir_all(at("test")).unwrap();
    let error = load(dir.path(), 8, Split::Test, None).unwrap_err().to_string();
    assert!(error.contains("test is missing"), "{error}");
}

#[test]
fn without_splits_a_tenth_of_each_class_is_held_out_and_always_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for (class, count) in [("a", 30u8), ("b", 5), ("c", 1)] {
        for i in 0..count {
            save(&dir.path().join(class).join(format!("{i}.png")), plain(4, i));
        }
    }
    let train = load(dir.path(), 4, Split::Train, None).unwrap();
    let test = load(dir.path(), 4, Split::Test, None).unwrap();
    assert_eq!(train.class_counts(), [27, 4, 1]);
    assert_eq!(test.class_counts(), [3, 1, 0]);
    let mut seen: Vec<(u16, u8)> = [&train, &test]
        .iter()
        .flat_map(|s| (0..s.len()).map(|i| (s.labels[i], s.images.get(i)[0])))
        .collect();
    seen.sort_unstable();
    let all: Vec<(u16, u8)> =
        [(0, 30), (1, 5), (2, 1)].into_iter().flat_map(|(c, n)| (0..n).map(move |i| (c, i))).collect();
    assert_eq!(seen, all);
    assert_eq!(load(dir.path(), 4, Split::Test, None).unwrap(), test);
    // Not simply the first ones.
    assert_ne!((0..3).map(|i| test.images.get(i)[0]).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn bad_images_are_told_with_their_path_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    save(&at("train/cat/a.png"), plain(9, 50));
    let whole = std::fs::read(at("train/cat/a.png")).unwrap();
    std::fs::write(at("train/cat/b.png"), &whole[..whole.len() / 2]).unwrap();
    let error = load(dir.path(), 8, Split::Train, None).unwrap_err().to_string();
    assert!(error.contains("b.png") && error.contains("not a readable image"), "{error}");
    std::fs::write(at("train/cat/c.jpg"), "").unwrap();
    let error = load(dir.path(), 8, Split::Train, None).unwrap_err().to_string();
    assert!(error.contains("b.png") && error.contains("1 more"), "{error}");
}

#[test]
fn a_picture_that_claims_to_be_huge_is_refused_before_it_is_decoded() {
    let dir = tempfile::tempdir().unwrap();
    // A BMP header of 16000 x 16000 pixels and nothing behind it.
    let mut bmp = b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bmp.extend(16_000u32.to_le_bytes());
    bmp.extend(16_000u32.to_le_bytes());
    bmp.extend(b"\x01\0\x18\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    std::fs::create_dir_all(dir.path().join("train/cat")).unwrap();
    std::fs::write(dir.path().join("train/cat/huge.bmp"), bmp).unwrap();
    let error = load(dir.path(), 8, Split::Train, None).unwrap_err().to_string();
    assert!(error.contains("huge.bmp") && error.contains("16000 x 16000 pixels, more than"), "{error}");
}

#[test]
fn a_folder_without_classes_or_that_is_not_there_says_what_was_expected() {
    let dir = tempfile::tempdir().unwrap();
    let error = load(dir.path(), 8, Split::Train, None).unwrap_err().to_string();
    assert!(error.contains("a folder for each class"), "{error}");
    let error = load(&dir.path().join("nothing"), 8, Split::Train, None).unwrap_err().to_string();
    assert!(error.contains("nothing is missing"), "{error}");
}

#[test]
fn transparent_and_grey_pictures_become_rgb() {
    let dir = tempfile::tempdir().unwrap();
    let clear = image::RgbaImage::from_pixel(4, 4, image::Rgba([9, 9, 9, 0]));
    save(&dir.path().join("train/x/a.png"), clear);
    save(&dir.path().join("train/x/b.png"), image::GrayImage::from_pixel(4, 4, image::Luma([77])));
    save(
        &dir.path().join("train/x/c.png"),
        image::ImageBuffer::from_pixel(4, 4, image::Luma([77u16 << 8 | 77])),
    );
    let set = load(dir.path(), 4, Split::Train, None).unwrap();
    assert_eq!(set.images.get(0)[..3], [255; 3]);
    assert_eq!(set.images.get(1)[..3], [77; 3]);
    assert_eq!(set.images.get(2)[..3], [77; 3]);
}
