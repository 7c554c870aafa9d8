//! Sheets: many small images side by side in one lossless WebP file, row by row.

use image::codecs::webp::{WebPDecoder, WebPEncoder};
use image::{ExtendedColorType, ImageDecoder};
use std::io::Cursor;

/// Encodes images of `size` x `size` x 3 bytes, `columns` a row; places after the last image are black.
pub(crate) fn encode(pixels: &[u8], size: usize, columns: usize) -> Result<Vec<u8>, String> {
    let image = size * size * 3;
    let rows = (pixels.len() / image).div_ceil(columns);
    let width = columns * size;
    let mut sheet = vec![0; rows * size * width * 3];
    for (i, image) in pixels.chunks_exact(image).enumerate() {
        for (y, line) in image.chunks_exact(size * 3).enumerate() {
            let at = ((i / columns * size + y) * width + i % columns * size) * 3;
            sheet[at..at + size * 3].copy_from_slice(line);
        }
    }
    let mut file = Vec::new();
    WebPEncoder::new_lossless(&mut file)
        .encode(&sheet, width as u32, (rows * size) as u32, ExtendedColorType::Rgb8)
        .map_err(|e| e.to_string())?;
    Ok(file)
}

/// The first `count` images of a sheet, one after another. The sheet's dimensions are checked before it is decoded.
pub(crate) fn decode(file: &[u8], size: usize, columns: usize, count: usize) -> Result<Vec<u8>, String> {
    let decoder = WebPDecoder::new(Cursor::new(file)).map_err(|e| e.to_string())?;
    let (width, rows) = (columns * size, count.div_ceil(columns));
    let found = decoder.dimensions();
    if found != (width as u32, (rows * size) as u32)
        || decoder.total_bytes() != (rows * size * width * 3) as u64
    {
        return Err(format!(
            "a sheet of {} x {} pixels, {} bytes, expected {width} x {} pixels of 3 bytes",
            found.0,
            found.1,
            decoder.total_bytes(),
            rows * size
        ));
    }
    let mut sheet = vec![0; rows * size * width * 3];
    decoder.read_image(&mut sheet).map_err(|e| e.to_string())?;
    let mut pixels = Vec::with_capacity(count * size * size * 3);
    for i in 0..count {
        for y in 0..size {
            let at = ((i / columns * size + y) * width + i % columns * size) * 3;
            pixels.extend_from_slice(&sheet[at..at + size * 3]);
        }
    }
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_gives_back_its_images_even_when_its_last_row_is_not_full() {
        let pixels: Vec<u8> = (0..7 * 4 * 4 * 3).map(|i| (i * 31 % 251) as u8).collect();
        let file = encode(&pixels, 4, 3).unwrap();
        assert_eq!(decode(&file, 4, 3, 7).unwrap(), pixels);
    }

    #[test]
    fn a_sheet_of_other_dimensions_or_no_sheet_is_an_error() {
        let file = encode(&[9; 7 * 48], 4, 3).unwrap();
        assert!(decode(&file, 4, 3, 12).unwrap_err().contains("12 x 12 pixels, 432 bytes, expected 12 x 16"));
        assert!(decode(&file[..file.len() / 2], 4, 3, 7).is_err());
        assert!(decode(b"RIFF", 4, 3, 7).is_err());
    }
}
