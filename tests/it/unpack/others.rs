//! Layers as other tools make them (Q82…Q90 of docs/registry-quirks.md).

use cldoci::archive::{OtherLayers, UnpackOptions};
use cldoci::oci::{Descriptor, media_type};
use cldoci::{Kind, Operation};

use crate::harness::archive::*;

/// A zstd frame of raw blocks: readable by eye, and without a compressor of ours.
struct Frame<'a> {
    content: &'a [u8],
    /// The exponent of the window beyond 1 KiB.
    window: u8,
    /// What the header says of the content's size.
    size: Option<u64>,
    checksum: Option<u32>,
}

impl<'a> Frame<'a> {
    fn new(content: &'a [u8]) -> Self {
        Self { content, window: 10, size: None, checksum: None }
    }

    /// The low half of the content's XXH64, as the frame has it.
    fn right_checksum(&self) -> u32 {
        let frame =
            ruzstd::encoding::compress_to_vec(self.content, ruzstd::encoding::CompressionLevel::Uncompressed);
        assert!(frame[4] & 4 != 0, "the encoder writes a checksum");
        u32::from_le_bytes(frame[frame.len() - 4..].try_into().unwrap())
    }

    fn bytes(&self) -> Vec<u8> {
        let descriptor =
            if self.size.is_some() { 0xc0 } else { 0 } | if self.checksum.is_some() { 4 } else { 0 };
        let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, descriptor, self.window << 3];
        bytes.extend(self.size.into_iter().flat_map(u64::to_le_bytes));
        let mut blocks: Vec<_> = self.content.chunks(100_000).collect();
        if blocks.is_empty() {
            blocks.push(b"");
        }
        for (at, block) in blocks.iter().enumerate() {
            let header = (block.len() as u32) << 3 | u32::from(at + 1 == blocks.len());
            bytes.extend_from_slice(&header.to_le_bytes()[..3]);
            bytes.extend_from_slice(block);
        }
        bytes.extend(self.checksum.into_iter().flat_map(u32::to_le_bytes));
        bytes
    }
}

fn zstd_refused(options: &UnpackOptions, bytes: &[u8], kind: Kind, words: &str) {
    let world = World::new();
    let error = world.pull(options, &[(ZSTD, bytes)]).expect_err(words);
    assert!(error.kind() == kind && error.message().contains(words), "wanted {kind:?} '{words}': {error:?}");
    assert!(!world.dest().exists());
    world.check();
}

fn zstd_accepted(options: &UnpackOptions, bytes: &[u8]) {
    let world = World::new();
    world.pull(options, &[(ZSTD, bytes)]).unwrap();
    assert_eq!(tree(&world.dest()), ["a=1"]);
    world.check();
}

#[test]
fn q82_a_zstd_frames_checksum_and_size_are_those_of_its_content() {
    let archive = tar(&[file("a", "1")]);
    let length = archive.len() as u64;
    let plain = Frame::new(&archive);
    let checksum = plain.right_checksum();
    for (size, sum) in
        [(None, None), (Some(length), None), (None, Some(checksum)), (Some(length), Some(checksum))]
    {
        zstd_accepted(&options(), &Frame { size, checksum: sum, ..Frame::new(&archive) }.bytes());
    }
    for size in [0, length - 1, length + 1, u64::MAX] {
        let frame = Frame { size: Some(size), ..Frame::new(&archive) };
        zstd_refused(&options(), &frame.bytes(), Kind::Unsafe, "another size");
    }
    let whole = Frame { checksum: Some(checksum), ..Frame::new(&archive) }.bytes();
    // The last byte is the checksum's, the other one of the file's own content.
    for at in [whole.len() - 1, 9 + 512] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        zstd_refused(&options(), &damaged, Kind::Unsafe, "checksum");
    }
    // Each frame has its own.
    let (head, tail) = archive.split_at(700);
    let frame = |content, wrong| {
        let frame = Frame::new(content);
        Frame { checksum: Some(frame.right_checksum() ^ wrong), ..frame }.bytes()
    };
    zstd_accepted(&options(), &[frame(head, 0), frame(tail, 0)].concat());
    zstd_refused(&options(), &[frame(head, 1), frame(tail, 0)].concat(), Kind::Unsafe, "checksum");
    zstd_refused(&options(), &[frame(head, 0), frame(tail, 1)].concat(), Kind::Unsafe, "checksum");
}

#[test]
fn q90_a_zstd_window_is_taken_up_to_the_option() {
    let archive = tar(&[file("a", "1")]);
    let frame = |window| Frame { window, ..Frame::new(&archive) }.bytes();
    // 32 MiB, and the next power of two.
    zstd_accepted(&options(), &frame(15));
    zstd_refused(
        &options(),
        &frame(16),
        Kind::Limit,
        "67108864 bytes is over max_zstd_window_bytes 33554432",
    );
    zstd_accepted(&UnpackOptions { max_zstd_window_bytes: 64 << 20, ..options() }, &frame(16));
    let small = UnpackOptions { max_zstd_window_bytes: 1 << 20, ..options() };
    zstd_accepted(&small, &frame(10));
    zstd_refused(&small, &frame(11), Kind::Limit, "max_zstd_window_bytes 1048576");
}

#[test]
fn q86_an_archive_that_was_not_closed_is_taken_with_lenient_end() {
    let whole = tar(&[dir("d"), file("d/a", "1234")]);
    // After the last body's bytes, within its padding, after it, after one block of the end.
    for length in [1024 + 4, 1024 + 100, 1024 + 512, 1024 + 1024] {
        refused(&whole[..length], Kind::Unsafe, "lenient_end");
        both_ways(|options| {
            let options = UnpackOptions { lenient_end: true, ..options };
            accepted_with(&options, &whole[..length], &["d/", "d/a=1234"]);
        });
    }
    let lenient = UnpackOptions { lenient_end: true, ..options() };
    refused_with(&lenient, &whole[..1024 + 3], Kind::Unsafe, "truncated in a body");
    // Of an extension header, which has no entry then.
    let extended = tar(&[pax(b'x', &[("path", b"a")])]);
    refused_with(&lenient, &extended[..512 + 100], Kind::Unsafe, "has no entry");
}

#[test]
fn t_08_q87_a_pax_path_that_is_not_utf8_is_taken_as_bytes() {
    for records in [&[("path", &b"d/\xff"[..])][..], &[("hdrcharset", b"BINARY"), ("path", b"d/\xff")]] {
        accepted(&tar(&[pax(b'x', records), file("short", "x")]), &["d/", "d/\\xff=x"]);
    }
    accepted(
        &tar(&[file("d/\u{1}", ""), pax(b'x', &[("linkpath", b"\xfe")]), link("l", "x")]),
        &["d/", "d/\\u{1}=", "l -> \u{fffd}"],
    );
    // Checked like any other name.
    refused(&tar(&[pax(b'x', &[("path", b"../\xff")]), file("short", "x")]), Kind::Unsafe, "'..'");
}

fn titled(title: &str, content: &[u8]) -> Descriptor {
    let mut layer = Descriptor::of("text/plain", content);
    layer.annotations.insert(media_type::ANNOTATION_TITLE.to_owned(), title.to_owned());
    layer
}

#[test]
fn q88_an_absolute_title_is_taken_below_the_destination_where_that_is_wanted() {
    let world = World::new();
    let error = world.pull_described(&options(), &[(titled("/d/f", b"1"), b"1")]).unwrap_err();
    assert!(error.kind() == Kind::Unsafe && error.message().contains("strip_leading_slash"), "{error}");
    world.check();
    let strip = UnpackOptions { strip_leading_slash: true, ..options() };
    world.pull_described(&strip, &[(titled("/d/f", b"1"), b"1")]).unwrap();
    assert_eq!(tree(&world.dest()), ["d/", "d/f=1"]);
    world.check();
}

#[test]
fn q89_a_titled_file_that_replaces_another_is_told() {
    let archive = tar(&[file("d/a", "1")]);
    let archive = (Descriptor::of(TAR, &archive), &archive[..]);
    let again = (titled("d/a", b"2"), &b"2"[..]);
    let other = (titled("d/b", b"3"), &b"3"[..]);
    let world = World::new();
    let warnings = world.pull_described(&options(), &[archive.clone(), again.clone()]).unwrap();
    assert_eq!(tree(&world.dest()), ["d/", "d/a=2"]);
    assert!(warnings.len() == 1 && warnings[0].contains("'d/a' replaces"), "{warnings:?}");
    let warnings = World::new().pull_described(&options(), &[archive, other]).unwrap();
    assert_eq!(warnings, [] as [&str; 0]);
}

/// What is planned for these layers, and the warnings.
fn plan(other_layers: OtherLayers, layers: &[Descriptor]) -> cldoci::Result<(Vec<bool>, Vec<String>)> {
    let operation = Operation::new();
    let plan = UnpackOptions { other_layers, ..options() }.plan(layers, &operation)?;
    assert_eq!(plan.others, layers.iter().any(|layer| layer.media_type == "application/wasm"));
    Ok((plan.wanted, operation.warnings()))
}

#[test]
fn q85_other_layers_are_skipped_named_or_refused() {
    let wasm = Descriptor::of("application/wasm", b"\0asm");
    let chart = Descriptor::of("application/vnd.cncf.helm.chart.content.v1.tar+gzip", b"x");
    let empty = Descriptor::of(media_type::EMPTY, b"{}");
    for layers in [[chart.clone(), wasm.clone()], [wasm.clone(), chart.clone()]] {
        let is_chart: Vec<_> = layers.iter().map(|layer| *layer == chart).collect();
        let (wanted, warnings) = plan(OtherLayers::Skip, &layers).unwrap();
        assert_eq!(wanted, is_chart);
        let named = |text: &String| text.contains(wasm.digest.as_str()) && text.contains("application/wasm");
        assert!(warnings.len() == 1 && named(&warnings[0]), "{warnings:?}");
        assert_eq!(plan(OtherLayers::File, &layers).unwrap(), (vec![true, true], Vec::new()));
        let error = plan(OtherLayers::Refuse, &layers).unwrap_err();
        assert!(error.kind() == Kind::Unsupported && named(&error.message().to_owned()), "{error}");
        assert!(error.message().contains("other_layers"), "{error}");
    }
    // Nothing else would be published.
    for layers in [&[wasm.clone()][..], &[wasm.clone(), empty.clone()]] {
        assert_eq!(plan(OtherLayers::Skip, layers).unwrap_err().kind(), Kind::Unsupported);
    }
    assert_eq!(plan(OtherLayers::Refuse, &[empty, chart]).unwrap(), (vec![false, true], Vec::new()));
    let files = UnpackOptions { other_layers: OtherLayers::File, ..options() };
    let world = World::new();
    world.pull_described(&files, &[(wasm.clone(), b"\0asm")]).unwrap();
    assert_eq!(tree(&world.dest()), [format!("sha256-{}=\0asm", wasm.digest.hex())]);
}

/// Gives `start` and then `more` without end, and cancels after some reads.
struct Endless {
    start: Vec<u8>,
    more: Vec<u8>,
    operation: Operation,
    until: usize,
    after: usize,
}

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.until.checked_sub(1) {
            Some(left) => self.until = left,
            None => {
                self.operation.cancel();
                self.after += 1;
            }
        }
        if self.start.is_empty() {
            self.start.clone_from(&self.more);
        }
        let length = self.start.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.start[..length]);
        self.start.drain(..length);
        Ok(length)
    }
}

#[test]
fn f_24_a_cancel_is_heard_wherever_a_layer_is_skipped_or_drained() {
    let zeros = vec![0; 64 << 10];
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18][..], &(u32::MAX - 7).to_le_bytes()].concat();
    let empty_frames = Frame { content: b"", ..Frame::new(b"") }.bytes().repeat(1000);
    let big = Entry { size: Some(octal(0o77_777_777_777)), ..Entry::new("f", b'0') }.header().to_vec();
    let special = Entry { size: Some(octal(0o77_777_777_777)), ..Entry::new("f", b'Z') }.header().to_vec();
    let skip = UnpackOptions { skip_special: true, max_unpacked_bytes: u64::MAX, ..options() };
    for (what, layer, start, more) in [
        ("a body", Descriptor::of(TAR, b"x"), big, &zeros),
        ("a body that is skipped", Descriptor::of(TAR, b"x"), special, &zeros),
        ("zeros after the end", Descriptor::of(TAR, b"x"), tar(&[]), &zeros),
        ("a skippable frame", Descriptor::of(ZSTD, b"x"), skippable, &zeros),
        ("empty frames", Descriptor::of(ZSTD, b"x"), Vec::new(), &empty_frames),
        ("one file", titled("f", b"x"), Vec::new(), &zeros),
        ("what is drained after an error", Descriptor::of(TAR, b"x"), file("../x", ""), &zeros),
    ] {
        let operation = Operation::new();
        let world = World::new();
        let mut staging = cldoci::archive::Staging::prepare(&world.dest(), &skip).unwrap();
        let mut input =
            Endless { start, more: more.clone(), operation: operation.clone(), until: 40, after: 0 };
        let result = staging.unpack(&layer, &mut input, &operation);
        let drained = what.starts_with("what is drained");
        let want = if drained { Kind::Unsafe } else { Kind::Cancelled };
        assert_eq!(result.map_err(|error| error.kind()), Err(want), "{what}");
        assert!(input.after <= 1, "{what}: {} reads after the cancel", input.after);
    }
}
