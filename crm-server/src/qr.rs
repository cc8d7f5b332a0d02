//! A text as a QR code, for a phone to read off a screen: a PNG image (ISO/IEC 15948) of one bit a
//! pixel, as a `data:` address.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use qrcodegen::{QrCode, QrCodeEcc};

/// Pixels along a module's side.
const SCALE: usize = 6;
/// Modules of white around the code (ISO/IEC 18004 asks for four).
const QUIET: usize = 4;

/// The image of a text; none where the text is too long for one.
pub fn data_uri(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let png = png(&code).ok()?;
    Some(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}

fn png(code: &QrCode) -> std::io::Result<Vec<u8>> {
    let side = (usize::try_from(code.size()).unwrap_or_default() + 2 * QUIET) * SCALE;
    let mut rows = Vec::with_capacity(side * (side.div_ceil(8) + 1));
    for y in 0..side {
        // No filter.
        rows.push(0);
        for first in (0..side).step_by(8) {
            let bits = (0..8).fold(0_u8, |bits, bit| {
                bits << 1 | u8::from(first + bit < side && !is_dark(code, first + bit, y))
            });
            rows.push(bits);
        }
    }
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&rows)?;
    let mut image = b"\x89PNG\r\n\x1a\n".to_vec();
    let length = u32::try_from(side).unwrap_or_default().to_be_bytes();
    // One bit a pixel, grey, deflated, filtered by row, not interlaced.
    let header = [&length[..], &length, &[1, 0, 0, 0, 0]].concat();
    chunk(&mut image, b"IHDR", &header);
    chunk(&mut image, b"IDAT", &zlib.finish()?);
    chunk(&mut image, b"IEND", &[]);
    Ok(image)
}

fn is_dark(code: &QrCode, x: usize, y: usize) -> bool {
    let module =
        |pixel: usize| (pixel / SCALE).checked_sub(QUIET).and_then(|m| i32::try_from(m).ok());
    match (module(x), module(y)) {
        (Some(x), Some(y)) => code.get_module(x, y),
        _ => false,
    }
}

fn chunk(image: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    let mut sum = crc32fast::Hasher::new();
    sum.update(name);
    sum.update(data);
    image.extend(u32::try_from(data.len()).unwrap_or_default().to_be_bytes());
    image.extend(name);
    image.extend(data);
    image.extend(sum.finalize().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_pixels_are_those_of_the_code() {
        let code = QrCode::encode_text("otpauth://totp/a", QrCodeEcc::Medium).unwrap();
        let image = png(&code).unwrap();
        assert_eq!(&image[..8], b"\x89PNG\r\n\x1a\n");
        let side = u32::from_be_bytes(image[16..20].try_into().unwrap()) as usize;
        assert_eq!(side, (code.size() as usize + 2 * QUIET) * SCALE);
        let length = u32::from_be_bytes(image[33..37].try_into().unwrap()) as usize;
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(&image[41..41 + length]).read_to_end(&mut rows).unwrap();
        let width = side.div_ceil(8) + 1;
        assert_eq!(rows.len(), width * side);
        for y in 0..side {
            for x in 0..side {
                let white = rows[y * width + 1 + x / 8] >> (7 - x % 8) & 1 == 1;
                assert_eq!(white, !is_dark(&code, x, y), "{x} {y}");
            }
        }
        assert!(!is_dark(&code, 0, 0) && is_dark(&code, QUIET * SCALE, QUIET * SCALE));
    }

    #[test]
    fn what_is_too_long_has_no_image() {
        assert!(data_uri("short").unwrap().starts_with("data:image/png;base64,iVBORw0KGgo"));
        assert!(data_uri(&"x".repeat(5_000)).is_none());
    }
}
