use super::*;

/// A picture that has no symmetry.
fn picture(width: usize, height: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            bytes.extend((0..3).map(|c| (x * 37 + y * 91 + c * 53 + x * y * 7) as u8));
        }
    }
    bytes
}

fn with_alpha(rgb: &[u8], alpha: u8) -> Vec<u8> {
    rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], alpha]).collect()
}

fn furthest(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[test]
fn resampling_is_that_of_pillow() {
    // Pillow 13: Image.fromarray(middle square).resize((size, size), Image.BILINEAR). It rounds between rows and columns,
    // hence the tolerance of one.
    type Case = (usize, usize, usize, &'static [u8]);
    let cases: &[Case] = &[
        (
            13,
            9,
            4,
            &[
                123, 130, 141, 126, 140, 132, 110, 123, 142, 120, 126, 138, 138, 140, 138, 142, 136, 126,
                132, 128, 122, 128, 131, 129, 128, 134, 113, 140, 130, 120, 128, 139, 120, 133, 128, 104,
                131, 122, 155, 123, 126, 118, 127, 120, 130, 128, 119, 143,
            ],
        ),
        (
            5,
            5,
            7,
            &[
                0, 53, 106, 21, 74, 127, 48, 101, 154, 74, 127, 180, 100, 153, 206, 127, 180, 233, 148, 201,
                254, 52, 105, 158, 75, 128, 181, 105, 158, 169, 134, 187, 94, 163, 112, 123, 130, 99, 152,
                70, 123, 176, 117, 170, 150, 143, 154, 176, 155, 156, 157, 136, 189, 59, 168, 91, 91, 123,
                72, 125, 45, 98, 151, 182, 235, 32, 211, 118, 61, 174, 45, 98, 28, 81, 134, 64, 117, 170,
                101, 154, 207, 130, 183, 236, 64, 117, 97, 96, 107, 129, 115, 116, 169, 103, 156, 209, 143,
                196, 119, 183, 158, 106, 215, 85, 138, 56, 109, 162, 91, 144, 134, 135, 156, 131, 178, 121,
                174, 143, 164, 113, 156, 146, 115, 190, 97, 150, 108, 161, 214, 145, 198, 105, 192, 171, 42,
                238, 35, 88, 102, 81, 134, 75, 128, 181, 112, 165, 218,
            ],
        ),
        (
            7,
            16,
            3,
            &[
                122, 155, 118, 125, 130, 111, 154, 131, 121, 128, 111, 139, 130, 120, 141, 123, 129, 127,
                151, 121, 127, 154, 115, 128, 98, 151, 117,
            ],
        ),
    ];
    for &(width, height, size, expected) in cases {
        let got = resize(&picture(width, height), width, height, 3, size).unwrap();
        let off = furthest(&got, expected);
        assert!(off <= 1, "{width} x {height} to {size}: off by {off}");
    }
}

/// The separable filter as one double sum in f64, without rounding in between.
fn naive(rgb: &[u8], side: usize, size: usize) -> Vec<u8> {
    let scale = side as f64 / size as f64;
    let support = scale.max(1.0);
    let weight =
        |i: usize, j: usize| (1.0 - ((j as f64 + 0.5 - (i as f64 + 0.5) * scale) / support).abs()).max(0.0);
    let mut out = Vec::new();
    for i in 0..size {
        for k in 0..size {
            for c in 0..3 {
                let (mut sum, mut total) = (0.0, 0.0);
                for y in 0..side {
                    for x in 0..side {
                        let w = weight(i, y) * weight(k, x);
                        sum += w * f64::from(rgb[(y * side + x) * 3 + c]);
                        total += w;
                    }
                }
                out.push((sum / total).round() as u8);
            }
        }
    }
    out
}

#[test]
fn every_reduction_and_enlargement_is_the_filter_by_definition() {
    for (side, size) in [(1, 5), (2, 1), (8, 4), (9, 4), (33, 32), (31, 32), (50, 7), (64, 32), (3, 11)] {
        let rgb = picture(side, side);
        let got = resize(&rgb, side, side, 3, size).unwrap();
        // f32 against f64: a value at a rounding edge may fall on the other side.
        assert!(furthest(&got, &naive(&rgb, side, size)) <= 1, "{side} to {size}");
    }
}

#[test]
fn a_square_of_the_size_is_copied_and_the_middle_is_cropped() {
    let square = picture(32, 32);
    assert_eq!(resize(&square, 32, 32, 3, 32).unwrap(), square);
    // 9 x 4: columns 2 to 5.
    let wide = picture(9, 4);
    let middle: Vec<u8> = (0..4).flat_map(|y| wide[(y * 9 + 2) * 3..(y * 9 + 6) * 3].to_vec()).collect();
    assert_eq!(resize(&wide, 9, 4, 3, 4).unwrap(), middle);
    // 4 x 9: rows 2 to 5.
    let tall = picture(4, 9);
    assert_eq!(resize(&tall, 4, 9, 3, 4).unwrap(), tall[2 * 4 * 3..6 * 4 * 3]);
}

#[test]
fn one_colour_stays_that_colour() {
    for (width, height, size) in [(1, 1, 9), (100, 61, 32), (31, 33, 96)] {
        let rgb: Vec<u8> = (0..width * height).flat_map(|_| [255, 0, 131]).collect();
        let got = resize(&rgb, width, height, 3, size).unwrap();
        assert!(got.chunks_exact(3).all(|p| p == [255, 0, 131]), "{width} x {height} to {size}");
    }
}

#[test]
fn opaque_pictures_ignore_alpha_and_transparent_ones_are_white() {
    let rgb = picture(20, 12);
    let opaque = resize(&with_alpha(&rgb, 255), 20, 12, 4, 8).unwrap();
    assert_eq!(opaque, resize(&rgb, 20, 12, 3, 8).unwrap());
    let clear = resize(&with_alpha(&rgb, 0), 20, 12, 4, 8).unwrap();
    assert!(clear.iter().all(|&x| x == 255));
    // Half opaque black over white.
    assert_eq!(resize(&[0, 0, 0, 128], 1, 1, 4, 1).unwrap(), [127, 127, 127]);
}

#[test]
fn arguments_that_do_not_fit_are_told() {
    let rgb = picture(4, 4);
    assert_eq!(resize(&rgb, 4, 5, 3, 2), Err(PixelError::Length { found: 48, expected: 60 }));
    assert_eq!(resize(&rgb, 0, 4, 3, 2), Err(PixelError::Dimensions { width: 0, height: 4 }));
    assert_eq!(
        resize(&rgb, usize::MAX, 2, 3, 2),
        Err(PixelError::Dimensions { width: usize::MAX, height: 2 })
    );
    assert_eq!(resize(&rgb, 4, 4, 1, 2), Err(PixelError::Channels(1)));
    assert_eq!(resize(&rgb, 4, 4, 3, 0), Err(PixelError::Size(0)));
    assert_eq!(resize(&rgb, 4, 4, 3, MAX_SIZE + 1), Err(PixelError::Size(MAX_SIZE + 1)));
}

#[test]
fn normalising_is_the_formula_by_channel() {
    let mut out = [0.0; 6];
    normalise(&[0, 51, 255, 255, 102, 0], &[0.5, 0.2, 0.0], &[0.5, 0.1, 2.0], &mut out);
    for (got, want) in out.iter().zip([-1.0, 0.0, 0.5, 1.0, 2.0, 0.0]) {
        assert!((got - want).abs() < 1e-6, "{out:?}");
    }
}
