//! Oracle: nothing outside the destination changes, an error leaves the destination as it was, what is published is
//! harmless, and both ways of staying inside come to the same.

use cldoci::archive::Confinement;
use cldoci::oci::Descriptor;

use super::room::{Room, options, seal};

pub(super) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";

/// Two bytes of options, then a tar. The second's highest bit leaves its checksums as they are.
pub fn run(data: &[u8]) {
    let Some((&bits, archive)) = data.split_first_chunk::<2>() else { return };
    let mut archive = archive.to_vec();
    if bits[1] < 0x80 {
        seal(&mut archive);
    }
    let layer = Descriptor::of(TAR, &archive);
    let mut options = options(bits);
    Room::with(|room| {
        options.confinement = Confinement::Kernel;
        let one = room.pull(&options, &layer, &archive);
        options.confinement = Confinement::Components;
        let other = room.pull(&options, &layer, &archive);
        match (one, other) {
            (Ok(one), Ok(other)) => assert_eq!(one, other),
            (Err(one), Err(other)) => assert_eq!(one.kind(), other.kind(), "{one:?} {other:?}"),
            (one, other) => panic!("{:?} and {:?}", one.map(|(_, tree)| tree), other.map(|(_, tree)| tree)),
        }
    });
}
