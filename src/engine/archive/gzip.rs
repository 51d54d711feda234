//! A gzip file of many members: together they unpack as one, and each can be copied by itself.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Bytes collected before the disk is asked.
const BUFFER: usize = 256 * 1024;

/// Bytes that are packed or copied at once.
const CHUNK: usize = 64 * 1024;

/// Before the bytes of each member: deflate, no name, no time, an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// One member of a gzip file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its bytes in the file.
    pub packed: u64,
    /// The CRC-32 of those.
    pub sum: u32,
    /// The bytes it unpacks to.
    pub plain: u64,
}

/// Packs what is written to it.
pub struct Gzip {
    file: BufWriter<File>,
    deflate: Compress,
    chunk: Vec<u8>,
    /// Whether the header of the member at hand is written.
    is_begun: bool,
    packed: (u64, Crc),
    plain: (u64, Crc),
    /// What the member at hand unpacks to, where that is asked for.
    copy: Option<Vec<u8>>,
    /// Whether nothing more is taken.
    is_closed: bool,
}

impl Gzip {
    /// Packs into a file.
    pub fn new(file: File) -> Self {
        let deflate = Compress::new(Compression::new(6), false);
        let file = BufWriter::with_capacity(BUFFER, file);
        let (chunk, packed, plain) = (vec![0; CHUNK], Default::default(), Default::default());
        Self { file, deflate, chunk, is_begun: false, packed, plain, copy: None, is_closed: false }
    }

    /// Keeps what the member that begins here unpacks to.
    pub fn keep_plain(&mut self) {
        self.copy = Some(Vec::new());
    }

    /// Ends a member, and returns it with what it unpacks to where that was kept.
    pub fn cut(&mut self) -> io::Result<(Member, Vec<u8>)> {
        self.begin()?;
        self.deflate(&[], FlushCompress::Finish)?;
        self.deflate.reset();
        let (length, sum) = std::mem::take(&mut self.plain);
        self.put(&sum.sum().to_le_bytes())?;
        // Gzip counts no further than this.
        let [a, b, c, d, ..] = length.to_le_bytes();
        self.put(&[a, b, c, d])?;
        self.is_begun = false;
        let (packed, packed_sum) = std::mem::take(&mut self.packed);
        let member = Member { packed, sum: packed_sum.sum(), plain: length };
        Ok((member, self.copy.take().unwrap_or_default()))
    }

    /// Copies a member that begins there in another file; false where it is not what it was. Between
    /// members only.
    pub fn copy(&mut self, from: &File, mut at: u64, member: Member) -> io::Result<bool> {
        let (mut left, mut sum) = (member.packed, Crc::new());
        let mut chunk = vec![0; CHUNK];
        while left > 0 {
            let most = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            let count = from.read_at(&mut chunk[..most], at)?;
            if count == 0 {
                return Ok(false);
            }
            sum.update(&chunk[..count]);
            self.file.write_all(&chunk[..count])?;
            (left, at) = (left - count as u64, at + count as u64);
        }
        Ok(sum.sum() == member.sum)
    }

    /// Takes nothing more: the end came with what was copied or packed last.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// Writes what was collected, and returns the file.
    pub fn into_file(self) -> io::Result<File> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.is_begun {
            return Ok(());
        }
        self.is_begun = true;
        self.put(&HEADER)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        put(&mut self.file, &mut self.packed, bytes)
    }

    /// Packs bytes; at the end of a member, all that is left of it.
    fn deflate(&mut self, mut bytes: &[u8], flush: FlushCompress) -> io::Result<()> {
        loop {
            let before = (self.deflate.total_in(), self.deflate.total_out());
            let status = self.deflate.compress(bytes, &mut self.chunk, flush)?;
            let taken = usize::try_from(self.deflate.total_in() - before.0);
            let made = usize::try_from(self.deflate.total_out() - before.1);
            let (taken, made) = (taken.unwrap_or(bytes.len()), made.unwrap_or(CHUNK));
            put(&mut self.file, &mut self.packed, &self.chunk[..made])?;
            bytes = &bytes[taken..];
            let is_over = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => bytes.is_empty(),
            };
            if is_over {
                return Ok(());
            }
        }
    }
}

fn put(file: &mut BufWriter<File>, (length, sum): &mut (u64, Crc), bytes: &[u8]) -> io::Result<()> {
    *length += bytes.len() as u64;
    sum.update(bytes);
    file.write_all(bytes)
}

impl Write for Gzip {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            return Ok(bytes.len());
        }
        self.begin()?;
        self.plain.0 += bytes.len() as u64;
        self.plain.1.update(bytes);
        if let Some(copy) = &mut self.copy {
            copy.extend_from_slice(bytes);
        }
        self.deflate(bytes, FlushCompress::None)?;
        Ok(bytes.len())
    }

    /// Does nothing: a member is whole when it is cut.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::MultiGzDecoder;

    use super::*;
    use crate::fs::plain;

    #[test]
    fn members_unpack_as_one_and_are_copied_alone() {
        let folder = std::env::temp_dir().join(format!("cfgsync-gzip-{}", std::process::id()));
        plain::make_private(&folder).unwrap();
        let (first, second) = (folder.join("first"), folder.join("second"));
        let texts = [vec![], b"one".to_vec(), b"two\n".repeat(100_000), (0..=255).collect()];
        let mut gzip = Gzip::new(plain::create_private(&first).unwrap());
        let mut members = Vec::new();
        for text in &texts {
            gzip.keep_plain();
            gzip.write_all(text).unwrap();
            let (member, kept) = gzip.cut().unwrap();
            assert_eq!((member.plain, &kept), (text.len() as u64, text));
            members.push(member);
        }
        gzip.into_file().unwrap();
        let mut unpacked = Vec::new();
        let mut from = MultiGzDecoder::new(File::open(&first).unwrap());
        from.read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, texts.concat());

        let earlier = File::open(&first).unwrap();
        let place = |index: usize| members[..index].iter().map(|it| it.packed).sum::<u64>();
        let mut gzip = Gzip::new(plain::create_private(&second).unwrap());
        for index in [2, 0, 1] {
            assert!(gzip.copy(&earlier, place(index), members[index]).unwrap());
        }
        let other = Member { sum: members[3].sum ^ 1, ..members[3] };
        assert!(!gzip.copy(&earlier, place(3), other).unwrap());
        assert!(!gzip.copy(&earlier, place(4), members[3]).unwrap(), "there is nothing");
        gzip.into_file().unwrap();
        let mut unpacked = Vec::new();
        let mut from = MultiGzDecoder::new(File::open(&second).unwrap());
        from.read_to_end(&mut unpacked).unwrap();
        let copied = [&texts[2][..], &texts[0], &texts[1], &texts[3]].concat();
        assert_eq!(unpacked, copied);
        plain::remove_draft(&folder).unwrap();
    }
}
