//! Oracle: that of `extract` for a compressed layer; a table of its blocks, right or wrong, changes nothing of what comes
//! of it; and what is taken inflates to the same with another implementation.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cldoci::oci::{Descriptor, Digest, media_type};
use flate2::read::MultiGzDecoder;
use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::bytes::Bytes;
use super::room::{Room, options};

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// A gzip member around a deflate stream, with the right trailer, which no mutation finds by itself. What follows the
/// stream follows the member.
fn wrapped(stream: &[u8]) -> Vec<u8> {
    let (mut reader, mut crc) = (Decompress::new(false), Crc::new());
    let mut piece = vec![0; 64 << 10];
    loop {
        let (read, made) = (reader.total_in(), reader.total_out());
        let rest = &stream[usize::try_from(read).unwrap()..];
        let status = reader.decompress(rest, &mut piece, FlushDecompress::None);
        let fresh = reader.total_out() - made;
        crc.update(&piece[..usize::try_from(fresh).unwrap()]);
        let idle = fresh == 0 && reader.total_in() == read;
        if idle || !matches!(status, Ok(Status::Ok)) || reader.total_out() > 5 << 20 {
            break;
        }
    }
    let (deflated, behind) = stream.split_at(usize::try_from(reader.total_in()).unwrap());
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    [&header[..], deflated, &crc.sum().to_le_bytes(), &crc.amount().to_le_bytes(), behind].concat()
}

/// The annotation: the sizes in `sizes`, LEB128, where they are to fit with a last one that makes their sum right.
fn table(sizes: &[u8], stride: u8, fit: bool, layer: usize) -> String {
    let mut sizes = sizes.to_vec();
    if fit {
        // A number that is not over goes on in the last one.
        if let Some(last) = sizes.last_mut() {
            *last &= 0x7f;
        }
        let (mut sum, mut shift, mut number) = (18_u64, 0, 0_u64);
        for byte in &sizes {
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                sum = sum.saturating_add(number);
                (shift, number) = (0, 0);
            }
        }
        let mut last = (layer as u64).saturating_sub(sum);
        while last >= 0x80 {
            sizes.push(last.to_le_bytes()[0] | 0x80);
            last >>= 7;
        }
        sizes.push(last.to_le_bytes()[0]);
    }
    format!("20:{stride}:{}", STANDARD.encode(sizes))
}

/// Two bytes of options, one of the form, the length of a table and the table, then the layer.
pub fn run(data: &[u8]) {
    let mut data = Bytes(data);
    let (bits, form) = ([data.byte(), data.byte()], data.byte());
    let length = usize::from(data.byte() % 32);
    let sizes = data.take(length);
    let bit = |n: u8| form >> n & 1 == 1;
    let bytes = if bit(1) { wrapped(data.0) } else { data.0.to_vec() };
    let mut options = options(bits);
    options.hash_content = true;
    let mut layer = Descriptor::of(if bit(0) { ZSTD } else { GZIP }, &bytes);
    Room::with(|room| {
        let plain = room.pull(&options, &layer, &bytes);
        if !bit(0)
            && let Ok((digest, _)) = &plain
        {
            // NULs may follow the last member, which is an error there.
            let mut archive = Vec::new();
            let _ = MultiGzDecoder::new(&bytes[..]).take(5 << 20).read_to_end(&mut archive);
            assert_eq!(*digest, Some(Digest::of(&archive)), "inflated differently");
        }
        if length > 0 {
            let table = table(sizes, form >> 6, bit(2), bytes.len());
            layer.annotations.insert(media_type::ANNOTATION_BLOCKS.to_owned(), table);
            match (plain, room.pull(&options, &layer, &bytes)) {
                (Ok(plain), Ok(by_blocks)) => assert_eq!(plain, by_blocks),
                (Err(plain), Err(by_blocks)) => {
                    assert_eq!(plain.kind(), by_blocks.kind(), "{plain:?} {by_blocks:?}");
                }
                (Ok(_), Err(error)) => panic!("only with its table: {error:?}"),
                (Err(error), Ok(_)) => panic!("only without its table: {error:?}"),
            }
        }
    });
}
