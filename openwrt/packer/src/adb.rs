//! ADB, the binary form of apk 3's packages and indexes (apk-tools: doc/apk-v3.5.scd): values written one behind the
//! other, each naming earlier ones by their place.

use std::collections::HashMap;

use crate::ipk::{WELL, options};
use crate::package::sha256;

/// A value, as others refer to it: four bits of type, and 28 of what it is or where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value(u32);

/// What isn't there.
pub const NULL: Value = Value(0);

const INT: u32 = 0x1000_0000;
const INT_32: u32 = 0x2000_0000;
const BLOB_8: u32 = 0x8000_0000;
const BLOB_16: u32 = 0x9000_0000;
const BLOB_32: u32 = 0xa000_0000;
const OBJECT: u32 = 0xe000_0000;
const PLACE: u32 = 0x0fff_ffff;

/// Version, and the root value, which is filled in last.
const HEADER_LEN: usize = 8;

/// What a file is about.
#[derive(Clone, Copy)]
pub enum Schema {
    Package,
    Index,
}

/// Values that are being written.
pub struct Adb {
    bytes: Vec<u8>,
    /// What is there already need not be written twice.
    written: HashMap<Vec<u8>, u32>,
}

impl Adb {
    pub fn new() -> Self {
        Self { bytes: vec![0; HEADER_LEN], written: HashMap::new() }
    }

    pub fn int(&mut self, value: u32) -> Value {
        if value <= PLACE { Value(INT | value) } else { Value(INT_32 | self.place(&value.to_le_bytes(), 4)) }
    }

    pub fn text(&mut self, text: &str) -> Value {
        self.blob(text.as_bytes())
    }

    pub fn blob(&mut self, bytes: &[u8]) -> Value {
        let (kind, align) = match bytes.len() {
            0 => return NULL,
            1..=0xff => (BLOB_8, 1),
            0x100..=0xffff => (BLOB_16, 2),
            _ => (BLOB_32, 4),
        };
        let mut whole = bytes.len().to_le_bytes()[..align].to_vec();
        whole.extend_from_slice(bytes);
        Value(kind | self.place(&whole, align))
    }

    /// An object's fields, from field 1 on, or an array's items, which apk writes alike.
    pub fn object(&mut self, fields: &[Value]) -> Value {
        let used = fields.iter().rposition(|&field| field != NULL).map_or(0, |last| last + 1);
        if used == 0 {
            return NULL;
        }
        let mut whole = (used as u32 + 1).to_le_bytes().to_vec();
        whole.extend(fields[..used].iter().flat_map(|field| field.0.to_le_bytes()));
        Value(OBJECT | self.place(&whole, 4))
    }

    /// Room for the first 20 bytes of the hash of all this, which is known only in the end.
    pub fn room_for_identity(&mut self) -> Value {
        Value(BLOB_8 | self.append(&[&[20][..], &[0; 20]].concat(), 1))
    }

    /// Ends with `root`; if there is `identity`, fills it in.
    pub fn finish(mut self, root: Value, identity: Option<Value>) -> Vec<u8> {
        self.bytes[4..HEADER_LEN].copy_from_slice(&root.0.to_le_bytes());
        if let Some(Value(identity)) = identity {
            let hash = sha256(&self.bytes);
            let at = (identity & PLACE) as usize + 1;
            self.bytes[at..at + 20].copy_from_slice(&hash[..20]);
        }
        self.bytes
    }

    fn place(&mut self, bytes: &[u8], align: usize) -> u32 {
        match self.written.get(bytes) {
            Some(&place) if (place as usize).is_multiple_of(align) => place,
            _ => {
                let place = self.append(bytes, align);
                self.written.insert(bytes.to_vec(), place);
                place
            }
        }
    }

    fn append(&mut self, bytes: &[u8], align: usize) -> u32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(align), 0);
        let place = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        u32::try_from(place).ok().filter(|&place| place <= PLACE).expect("no package of ours is that large")
    }
}

/// A file's content as it goes into a package: which folder and which file of it, both counted from 1.
pub struct Content<'a> {
    pub folder: u32,
    pub file: u32,
    pub bytes: &'a [u8],
}

/// A whole file, deflated.
pub fn file(schema: Schema, adb: &[u8], contents: &[Content<'_>]) -> Vec<u8> {
    let mut plain = b"ADB.".to_vec();
    plain.extend(match schema {
        Schema::Package => b"pckg",
        Schema::Index => b"indx",
    });
    block(&mut plain, 0, &[adb]);
    for content in contents {
        block(&mut plain, 2, &[&content.folder.to_le_bytes(), &content.file.to_le_bytes(), content.bytes]);
    }
    let mut file = b"ADBd".to_vec();
    zopfli::compress(options(WELL), zopfli::Format::Deflate, &plain[..], &mut file).expect("memory takes every write");
    file
}

/// Two bits of kind and 30 of length, which counts itself, then the parts; eight bytes or a multiple.
fn block(file: &mut Vec<u8>, kind: u32, parts: &[&[u8]]) {
    let len = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
    assert!(len < 1 << 30, "no package of ours is that large");
    file.extend((kind << 30 | len as u32).to_le_bytes());
    parts.iter().for_each(|part| file.extend_from_slice(part));
    file.resize(file.len() + len.next_multiple_of(8) - len, 0);
}
