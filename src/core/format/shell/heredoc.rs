//! Here-documents: read at the end of the line that announces them.

use super::{Script, is_delimiter};

/// A here-document that was announced, and whose text is still to come.
pub(super) struct HereDocument {
    delimiter: Vec<u8>,
    strips_tabs: bool,
}

impl Script<'_> {
    /// Reads `<<word` or `<<-word`.
    pub(super) fn announce_here_document(&mut self) -> Option<()> {
        self.at += 2;
        let strips_tabs = self.peek(0) == Some(b'-');
        self.at += usize::from(strips_tabs);
        while matches!(self.peek(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let mut delimiter = Vec::new();
        let mut quote = None;
        while let Some(byte) = self.peek(0) {
            match (byte, quote) {
                (_, Some(open)) if byte == open => quote = None,
                (_, Some(_)) => delimiter.push(byte),
                (b'\'' | b'"', None) => quote = Some(byte),
                (b'\\', None) => {
                    self.at += 1;
                    delimiter.extend(self.peek(0));
                }
                (_, None) if is_delimiter(byte) => break,
                (_, None) => delimiter.push(byte),
            }
            self.at += 1;
        }
        self.here_documents.push(HereDocument { delimiter, strips_tabs });
        quote.is_none().then_some(())
    }

    /// Steps over the here-documents that start on this line; none where one does not end.
    pub(super) fn skip_here_documents(&mut self) -> Option<()> {
        for document in std::mem::take(&mut self.here_documents) {
            loop {
                let line = self.rest().split_inclusive(|byte| *byte == b'\n').next()?;
                self.at += line.len();
                let mut line = line.strip_suffix(b"\n").unwrap_or(line);
                while let Some(rest) = line.strip_prefix(b"\t").filter(|_| document.strips_tabs) {
                    line = rest;
                }
                if line == document.delimiter {
                    break;
                }
            }
        }
        Some(())
    }
}
